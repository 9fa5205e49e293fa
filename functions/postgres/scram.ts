import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import saslprep from '@mongodb-js/saslprep';
import type { Secret } from '../../shared/core/secret.ts';

const derive = promisify(pbkdf2);

/** The default of the server's scram_iterations, and what servers before 16 use. */
const ITERATIONS = 4096;
/**
 * A setting above this is not followed. Each login of the function takes as many iterations, and in the
 * smallest Lambda this number takes more than a second. The server accepts a verifier with any number.
 */
const MOST_ITERATIONS = 100_000;
const SALT_BYTES = 16;

/**
 * PostgreSQL takes a malformed verifier for a plain password and stores it as one. So the form is
 * checked before the verifier is sent.
 */
const FORM = /^SCRAM-SHA-256\$\d{1,6}:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/;

/**
 * What the server would store for this password. Sending the verifier keeps the password out of the
 * server's log and of pg_stat_activity. RFC 5803 describes the parts of a verifier, this page its
 * form: https://www.postgresql.org/docs/current/catalog-pg-authid.html
 * @param setting the session's scram_iterations; undefined before PostgreSQL 16
 */
export async function scramVerifier(password: Secret, setting: number = ITERATIONS): Promise<string> {
  const iterations = Math.min(setting, MOST_ITERATIONS);
  const salt = randomBytes(SALT_BYTES);
  const salted = await derive(normalized(password.reveal()), salt, iterations, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const serverKey = hmac('Server Key').toString('base64');
  const verifier = `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
  if (!FORM.test(verifier)) throw new TypeError('malformed SCRAM verifier');
  return verifier;
}

/**
 * The password after SASLprep. Where SASLprep forbids a character, or leaves nothing, the password
 * as it is. Generated passwords are ASCII, but an old password that is put back may not be. The
 * server does the same with a plain password:
 * https://github.com/postgres/postgres/blob/master/src/common/saslprep.c
 */
function normalized(password: string): string {
  try {
    return saslprep(password);
  } catch {
    return password;
  }
}
