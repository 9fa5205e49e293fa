/** A process that changes a password, to be killed meanwhile: `node change-password.ts <JSON>`. */
import { postgres } from '../../../functions/postgres/engine.ts';
import { Deadline } from '../../../shared/deadline.ts';
import { Secret } from '../../../shared/secret.ts';

const { to, username, from, next, remaining } = JSON.parse(process.argv[2] ?? '');
const password = new Secret(from);
const result = await postgres.login(to, { username, password }, new Deadline(remaining));
if (result.is !== 'accepted') throw result.why;
const { session } = result;
await postgres.exclusively(session, session.account, () =>
  postgres.changeOwnPassword(session, password, new Secret(next)),
);
