import { mongodbUsers } from '../../test/engines/mongodb/users.ts';
import { mysqlUsers } from '../../test/engines/mysql/users.ts';
import { postgresUsers } from '../../test/engines/postgres/users.ts';
import { type EngineName, type RowName, rows } from './rows.ts';
import type { Address } from './source.ts';
import type { Users } from './users.ts';

const users: Readonly<Record<EngineName, (server: Address) => Users>> = {
  postgres: postgresUsers,
  mysql: mysqlUsers,
  mongodb: mongodbUsers,
};

/** With another `host` and `port`, through a proxy: `usersOf({ ...server, host, port })`. */
export function usersOf(server: Address & { row: RowName }): Users {
  return users[rows[server.row].engine](server);
}
