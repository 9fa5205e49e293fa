/** A process that changes a password, to be killed meanwhile: `node change-password.ts <JSON of an Order>`. */
import { Deadline } from '../../shared/core/deadline.ts';
import { Secret } from '../../shared/core/secret.ts';
import type { Endpoint } from '../../shared/database/engine.ts';
import { engines } from '../engines/engines.ts';
import { type RowName, rows } from '../engines/servers.ts';

export type Order = {
  row: RowName;
  to: Endpoint;
  username: string;
  from: string;
  next: string;
  remaining: number;
};

const { row, to, username, from, next, remaining }: Order = JSON.parse(process.argv[2] ?? '');
const engine = engines[rows[row].engine].rotates;
const password = new Secret(from);
const result = await engine.login(to, { username, password }, new Deadline(remaining));
if (result.is !== 'accepted') throw result.why;
const { session } = result;
await engine.exclusively(session, session.account, () => engine.changeOwnPassword(session, password, new Secret(next)));
