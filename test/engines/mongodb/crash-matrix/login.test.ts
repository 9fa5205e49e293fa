/** The prober's login against a server that is played here, for what no server at hand does: SCRAM-SHA-1, and users that are not known. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import type { Document } from 'bson';
import { login } from './login.ts';
import { bodyOf, message } from './protocol.ts';

const SALT = Buffer.from('a salt for tests').toString('base64');
const REFUSAL = { ok: 0, code: 18, codeName: 'AuthenticationFailed' };

type Answer = (command: Document) => Document;

/** @returns the first words of the commands that came, and how the login ended */
async function loggingIn(answer: Answer, who: { username: string; password: string }) {
  const heard: string[] = [];
  const server = createServer((socket) => {
    socket.on('data', (bytes) => {
      const command = bodyOf(bytes as Buffer);
      heard.push(Object.keys(command)[0] ?? '');
      socket.write(message(1, answer(command), (bytes as Buffer).readInt32LE(4)));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const { verdict } = await login({ host: '127.0.0.1', port, database: 'admin', ...who });
    return { heard, verdict };
  } finally {
    server.close();
  }
}

/** Has one user, for SCRAM-SHA-1: https://www.rfc-editor.org/rfc/rfc5802#section-3 */
function scramSha1(username: string, password: string): Answer {
  const digest = createHash('md5').update(`${username}:mongo:${password}`).digest('hex');
  const salted = pbkdf2Sync(digest, Buffer.from(SALT, 'base64'), 10_000, 20, 'sha1');
  const clientKey = createHmac('sha1', salted).update('Client Key').digest();
  const storedKey = createHash('sha1').update(clientKey).digest();
  let messages: string[] = [];
  return (command) => {
    if ('hello' in command) return { ok: 1, saslSupportedMechs: ['SCRAM-SHA-1'] };
    const payload = String(command['payload']);
    if ('saslStart' in command) {
      if (command['mechanism'] !== 'SCRAM-SHA-1') return REFUSAL;
      const challenge = `${/r=.*/.exec(payload)?.[0]}server,s=${SALT},i=10000`;
      messages = [payload.slice('n,,'.length), challenge];
      return { ok: 1, conversationId: 1, done: false, payload: Buffer.from(challenge) };
    }
    const [unproven, proof = ''] = payload.split(',p=');
    const signature = createHmac('sha1', storedKey)
      .update([...messages, unproven].join())
      .digest();
    const key = Buffer.from(proof, 'base64').map((byte, index) => byte ^ (signature[index] ?? 0));
    const isRight = createHash('sha1').update(key).digest().equals(storedKey);
    return isRight ? { ok: 1, conversationId: 1, done: false, payload: Buffer.from('v=…') } : REFUSAL;
  };
}

test('a user that has only SCRAM-SHA-1 logs in by that', async () => {
  const user = { username: 'old', password: 'right' };

  const right = await loggingIn(scramSha1('old', 'right'), user);
  const wrong = await loggingIn(scramSha1('old', 'right'), { ...user, password: 'wrong' });

  expect(right).toEqual({ verdict: 'accepted', heard: ['hello', 'saslStart', 'saslContinue'] });
  expect(wrong).toEqual({ verdict: 'refused', heard: ['hello', 'saslStart', 'saslContinue'] });
});

test('a user that the server does not know is refused', async () => {
  const answer: Answer = (command) => ('hello' in command ? { ok: 1 } : REFUSAL);

  expect(await loggingIn(answer, { username: 'nobody', password: 'any' })).toEqual({
    verdict: 'refused',
    heard: ['hello', 'saslStart'],
  });
});

test('an error that is not about the password says nothing', async () => {
  const answer: Answer = () => ({ ok: 0, code: 91, codeName: 'ShutdownInProgress' });

  expect(await loggingIn(answer, { username: 'any', password: 'any' })).toMatchObject({ verdict: 'unknown' });
});
