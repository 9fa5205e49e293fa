/** MySQL's protocol, as a server of a few bytes speaks it: https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html */
import { once } from 'node:events';
import type { Socket } from 'node:net';

const CAPABILITIES = {
  LONG_PASSWORD: 0x1,
  CONNECT_WITH_DB: 0x8,
  PROTOCOL_41: 0x200,
  SSL: 0x800,
  TRANSACTIONS: 0x2000,
  SECURE_CONNECTION: 0x8000,
  PLUGIN_AUTH: 0x80000,
};
const ALL = Object.values(CAPABILITIES).reduce((all, flag) => all | flag, 0);
/** Of an SSLRequest: header, capabilities, longest packet, character set, filler. */
const SSL_REQUEST = 4 + 4 + 4 + 1 + 23;

export function packet(sequence: number, ...parts: (Buffer | string | number)[]): Buffer {
  const payload = Buffer.concat(
    parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part as string))),
  );
  const header = Buffer.alloc(4);
  header.writeUIntLE(payload.length, 0, 3);
  header[3] = sequence;
  return Buffer.concat([header, payload]);
}

function littleEndian(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, bytes);
  return buffer;
}

export type Greeting = { version?: string; plugin?: string; tls?: boolean };

export function greeting({ version = '9.7.0', plugin = 'caching_sha2_password', tls = false }: Greeting = {}): Buffer {
  const capabilities = tls ? ALL : ALL & ~CAPABILITIES.SSL;
  return packet(
    0,
    10,
    `${version}\0`,
    littleEndian(7, 4),
    'saltsalt\0',
    littleEndian(capabilities & 0xffff, 2),
    255,
    littleEndian(2, 2),
    littleEndian(capabilities >>> 16, 2),
    21,
    Buffer.alloc(10),
    'saltsaltsalt\0',
    `${plugin}\0`,
  );
}

export const ok = (sequence: number) => packet(sequence, 0, 0, 0, littleEndian(2, 2), littleEndian(0, 2));

/** An error; without a SQLSTATE where there cannot be one, before the login. */
export function error(sequence: number, errno: number, message: string, sqlState = '#HY000'): Buffer {
  return packet(sequence, 0xff, littleEndian(errno, 2), sqlState, message);
}

export const authSwitch = (sequence: number, plugin: string) =>
  packet(sequence, 0xfe, `${plugin}\0`, 'saltsaltsaltsaltsalt\0');

const text = (value: string) => [value.length, value];

/** One row of one column, a number if it looks like one. */
export function row(column: string, value: string): Buffer {
  const [LONG, VAR_STRING] = [3, 253];
  const type = /^\d+$/.test(value) ? LONG : VAR_STRING;
  const field = ['def', '', '', '', column, ''].flatMap(text);
  return Buffer.concat([
    packet(1, 1),
    packet(2, ...field, 12, littleEndian(45, 2), littleEndian(255, 4), type, littleEndian(0, 2), 0, 0, 0),
    packet(3, 0xfe, 0, 0, 2, 0),
    packet(4, ...text(value)),
    packet(5, 0xfe, 0, 0, 2, 0),
  ]);
}

/** As the server itself until TLS begins. */
export async function untilTls(socket: Socket): Promise<void> {
  socket.write(greeting({ tls: true }));
  const [request] = (await once(socket, 'data')) as [Buffer];
  socket.pause();
  // The ClientHello may have come along.
  if (request.length > SSL_REQUEST) socket.unshift(request.subarray(SSL_REQUEST));
}

/** Greets, and answers what comes then; what is answered with ends there. */
export function greets(answer: (heard: string) => Buffer, options?: Greeting): (socket: Socket) => void {
  return (socket) => {
    socket.write(greeting(options));
    socket.once('data', (bytes) => socket.write(answer(bytes.toString())));
  };
}

/**
 * Lets anybody in as `nemo`, and answers every statement as a server does, but for what `answer` says.
 * A statement that sets limits again has no position: whether it is sent depends on the time.
 */
export function letsIn(
  answer: (statement: string, position: number) => Buffer | undefined,
  options?: Greeting,
): (socket: Socket) => void {
  return (socket) => {
    socket.write(greeting(options));
    socket.once('data', () => {
      socket.write(ok(2));
      let position = 0;
      let hasLimits = false;
      socket.on('data', (bytes) => {
        const statement = bytes.subarray(5).toString();
        const QUIT = 1;
        const setsLimits = statement.startsWith('SET NAMES');
        if (bytes[4] === QUIT) socket.end();
        else if (setsLimits && hasLimits) socket.write(ok(1));
        else socket.write(answer(statement, position++) ?? usual(statement));
        hasLimits ||= setsLimits;
      });
    });
  };
}

function usual(statement: string): Buffer {
  if (statement.includes('CURRENT_USER()')) return row('account', 'nemo@%');
  if (/GET_LOCK|IS_USED_LOCK|RELEASE_LOCK/.test(statement)) return row('it', '1');
  return statement.startsWith('SELECT') ? row('host', '%') : ok(1);
}
