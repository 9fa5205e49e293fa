/** A MongoDB that is played, and sessions at it. */
import { mongodb } from '../../../../functions/mongodb/engine.ts';
import type { MongoSession } from '../../../../functions/mongodb/session.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import type { Pair } from '../../../../shared/database/engine.ts';
import { fakeServer, type Listening } from '../../../conformance/relay.ts';
import { type As, error, lettingIn } from '../fake.ts';

export const AS: As = { username: 'app', password: 'correct' };

export type Answer = Parameters<typeof lettingIn>[1];

/** A fake's address, and how many connections it has. */
export async function played(answer: Answer): Promise<Listening & { open(): number }> {
  let open = 0;
  const server = await fakeServer((socket) => {
    open++;
    socket.on('close', () => open--);
    lettingIn(AS, answer)(socket);
  });
  return { ...server, open: () => open };
}

export function login({ host, port }: { host: string; port: number }, password = AS.password, ms = 9000) {
  const as = { username: AS.username, password: new Secret(password) };
  return mongodb.login({ host, port, tls: 'off', options: {} }, as, new Deadline(ms));
}

export async function session(server: Listening): Promise<MongoSession & AsyncDisposable> {
  const result = await login(server);
  if (result.is !== 'accepted') throw result.why;
  return Object.assign(result.session, { [Symbol.asyncDispose]: () => result.session.close() });
}

export const denies = (command: string, code: number, codeName: string): Answer => {
  return (heard) => (command in heard ? error(code, codeName, 'played') : undefined);
};

export const PAIR: Pair = {
  base: { username: 'app', realm: 'admin' },
  twin: { username: 'app_clone', realm: 'admin' },
  owner: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf',
};
