/** The count, on exchanges whose round trips anybody can count. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectOverTls, createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { fakeServer, type Listening } from '../conformance/relay.ts';
import { tls } from '../fixtures/tls/tls.ts';
import { RoundTrips } from './round-trips.ts';

let trips: RoundTrips;
let resources: AsyncDisposableStack;
beforeEach(() => {
  resources = new AsyncDisposableStack();
  trips = resources.use(new RoundTrips());
  trips.delay = 25;
  trips.begin();
});
afterEach(() => resources.disposeAsync());

/** A relay to a server that does this with each connection. */
async function relay(answer: (socket: Socket) => void, peer: 'Secrets Manager' | 'database' = 'database') {
  return trips.relay(peer, resources.use(await fakeServer(answer)));
}

const echo = (socket: Socket) => void socket.on('data', (bytes) => socket.write(bytes)).on('end', () => socket.end());

async function open(to: Omit<Listening, keyof AsyncDisposable>): Promise<Socket> {
  const socket = connect(to);
  await once(socket, 'connect');
  return socket;
}

async function ask(socket: Socket): Promise<void> {
  socket.write('?');
  await once(socket, 'data');
}

async function openAndAsk(to: Omit<Listening, keyof AsyncDisposable>, times: number): Promise<Socket> {
  const socket = await open(to);
  for (let n = 0; n < times; n++) await ask(socket);
  return socket;
}

test('a connection and each answer that is waited for is one', async () => {
  await openAndAsk(await relay(echo), 3);

  expect(trips.waits).toEqual({ 'Secrets Manager': 0, database: 4, together: 4 });
});

test('what is on its way at the same time counts once', async () => {
  const to = await relay(echo);

  await Promise.all([openAndAsk(to, 1), openAndAsk(to, 2), openAndAsk(to, 2)]);

  expect(trips.waits).toMatchObject({ database: 3, together: 3 });
});

test('one server after the other adds up, both at once do not', async () => {
  const [database, manager] = [await relay(echo), await relay(echo, 'Secrets Manager')];

  await openAndAsk(manager, 1);
  await openAndAsk(database, 2);
  expect(trips.waits).toEqual({ 'Secrets Manager': 2, database: 3, together: 5 });

  trips.begin();
  await Promise.all([openAndAsk(manager, 1), openAndAsk(database, 2)]);
  expect(trips.waits).toEqual({ 'Secrets Manager': 2, database: 3, together: 3 });
});

test('a server that speaks first is waited for once more', async () => {
  const socket = await open(await relay((server) => server.write('hello')));
  await once(socket, 'data');

  expect(trips.waits.database).toBe(2);
});

test('a long answer is one, in however many pieces it comes', async () => {
  const to = await relay((server) =>
    server.on('data', () => {
      server.write('a');
      setTimeout(() => server.write('b'), 10);
    }),
  );
  const socket = await open(to);
  await ask(socket);
  await once(socket, 'data');

  expect(trips.waits.database).toBe(2);
});

test('a goodbye is one if it is waited for, and else none', async () => {
  const to = await relay(echo);

  const first = await openAndAsk(to, 1);
  first.end();
  await once(first, 'close');
  expect(trips.waits.database).toBe(3);

  trips.begin();
  const second = await openAndAsk(to, 1);
  second.end();
  expect(trips.waits.database).toBe(2);
});

test('an answer to what was asked before the count began is none', async () => {
  let asked = 0;
  const to = await relay((server) =>
    server.on('data', () => {
      if (++asked === 2) trips.begin();
      server.write('!');
    }),
  );

  await openAndAsk(to, 2);

  expect(trips.waits.database).toBe(0);
});

test('over TLS 1.3 the handshake is one', async () => {
  const server = createTlsServer({ cert: tls.certificate, key: tls.key }, echo).listen(0, '127.0.0.1');
  await once(server, 'listening');
  resources.defer(() => void server.close());
  const { port } = server.address() as { port: number };
  const to = await trips.relay('database', { host: '127.0.0.1', port });

  const socket = connectOverTls({ ...to, ca: tls.ca });
  await once(socket, 'secureConnect');
  expect(trips.waits.database).toBe(2);
  await ask(socket);

  expect(socket.getProtocol()).toBe('TLSv1.3');
  expect(trips.waits.database).toBe(3);
});

test('without a delay nothing is counted, and everything is handed on', async () => {
  trips.delay = 0;

  await openAndAsk(await relay(echo), 2);

  expect(trips.waits).toEqual({ 'Secrets Manager': 0, database: 0, together: 0 });
});
