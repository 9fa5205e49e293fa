import { createHash } from 'node:crypto';
import { createConnection } from 'mysql2/promise';
import type { FloorDriver } from '../../benchmark/engine.ts';

export const floorDriver: FloorDriver = {
  async logIn({ host, port, dbname, ssl, sslca }, { username, password }) {
    const client = await createConnection({
      ...{ host, port, database: dbname, user: username, password },
      ...(ssl && { ssl: trustIn(String(sslca)) }),
    });
    return { run: (statement) => client.query(statement), close: () => client.end() };
  },
  // MariaDB's. MySQL is sent the password itself.
  derived: [{ form: /\*[0-9A-F]{40}/, from: (password) => `*${sha1(sha1(password)).toString('hex').toUpperCase()}` }],
};

const sha1 = (of: string | Buffer) => createHash('sha1').update(of).digest();

type Trust = { ca: string; rejectUnauthorized: true };
let trust: Trust | undefined;

/** The same object each time: by it the driver knows that it has parsed the authority before. */
function trustIn(ca: string): Trust {
  trust ??= { ca, rejectUnauthorized: true };
  return trust;
}
