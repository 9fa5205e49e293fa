/** A process that changes a password, to be killed meanwhile: `node change-password.ts <JSON of an Order>`. */
import { mongodb } from '../../functions/mongodb/engine.ts';
import { mysql } from '../../functions/mysql/engine.ts';
import { postgres } from '../../functions/postgres/engine.ts';
import { type EngineName, type RowName, rows } from '../../local/servers/rows.ts';
import { Deadline } from '../../shared/core/deadline.ts';
import { Secret } from '../../shared/core/secret.ts';
import type { Endpoint, Engine } from '../../shared/database/engine.ts';

export type Order = {
  row: RowName;
  to: Endpoint;
  username: string;
  from: string;
  next: string;
  remaining: number;
};

const engines: Record<EngineName, Engine> = { postgres, mysql, mongodb };

const { row, to, username, from, next, remaining }: Order = JSON.parse(process.argv[2] ?? '');
const engine = engines[rows[row].engine];
const password = new Secret(from);
const result = await engine.login(to, { username, password }, new Deadline(remaining));
if (result.is !== 'accepted') throw result.why;
const { session } = result;
await engine.exclusively(session, session.account, () => engine.changeOwnPassword(session, password, new Secret(next)));
