import { createHash } from 'node:crypto';
import { createConnection } from 'mysql2/promise';
import type { FloorDriver } from '../../benchmark/engine.ts';

/** The same object each time: by it the driver knows whether it has parsed the authorities before. */
let trust: { ca: string; rejectUnauthorized: true } | undefined;

export const floorDriver: FloorDriver = {
  async logIn({ host, port, dbname, ssl, sslca }, { username, password }) {
    const client = await createConnection({
      ...{ host, port, database: dbname, user: username, password },
      ...(ssl && { ssl: (trust ??= { ca: String(sslca), rejectUnauthorized: true }) }),
    });
    return { run: (statement) => client.query(statement), close: () => client.end() };
  },
  // MariaDB's. MySQL is sent the password itself.
  derived: [{ form: /\*[0-9A-F]{40}/, from: (password) => `*${sha1(sha1(password)).toString('hex').toUpperCase()}` }],
};

const sha1 = (of: string | Buffer) => createHash('sha1').update(of).digest();
