/** What a PostgreSQL server needs, wherever it comes from. */
import pg from 'pg';
import type { Container, ServerEngine } from '../../../local/servers/engine.ts';
import type { Address, Settings } from '../../../local/servers/source.ts';
import { whenItAnswers } from '../../../local/servers/waiting.ts';
import { connect } from './connection.ts';
import { commandLine, INITDB_OPTIONS } from './options.ts';
import { embeddedServer, serverOnPath } from './programs.ts';
import { postgresUsers } from './users.ts';

export const postgresServers = {
  rows: {
    'postgres 18': {
      engineKey: 'postgres',
      product: 'PostgreSQL',
      version: '18',
      addressVariable: 'POSTGRES_URL',
      imageVariable: 'POSTGRES_IMAGE',
      image: 'postgres:18.1',
    },
    'postgres 15': {
      engineKey: 'postgres',
      product: 'PostgreSQL',
      version: '15',
      addressVariable: 'POSTGRES_OLD_URL',
      imageVariable: 'POSTGRES_OLD_IMAGE',
      image: 'postgres:15.15',
      npmVariable: 'POSTGRES_OLD_NPM',
    },
  },

  programs: { path: serverOnPath, embedded: embeddedServer },
  users: postgresUsers,

  defaultPort: 5432,
  superuser: 'postgres',
  database: 'postgres',

  container({ superuser }: Address, settings: Settings): Container {
    return {
      environment: {
        POSTGRES_USER: superuser.username,
        POSTGRES_PASSWORD: superuser.password,
        POSTGRES_INITDB_ARGS: INITDB_OPTIONS.join(' '),
        ...settings.environment,
      },
      command: commandLine(settings),
    };
  },

  containerLog: {
    async mark(address: Address, marker: string): Promise<void> {
      await using client = await connect(address);
      await client.query(`DO $$ BEGIN RAISE LOG '${marker}'; END $$`);
    },
  },

  identify: (address: Address) => identify(address),
  isRefusal,
  turnOnTls,
} as const satisfies ServerEngine;

function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code?.startsWith('28') === true;
}

async function identify(address: Address, ssl: pg.ClientConfig['ssl'] = false) {
  await using client = await connect(address, ssl);
  const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
  return { product: 'PostgreSQL', version: rows[0]?.server_version.split(' ')[0] ?? '' };
}

/**
 * Writes the files through the server itself, under the names that it looks for: so they belong to the user it runs as,
 * inside a container too, and it accepts the key.
 */
async function turnOnTls(address: Address, tls: NonNullable<Settings['tls']>): Promise<void> {
  await using client = await connect(address);
  for (const [file, pem] of [
    ['server.crt', tls.certificate],
    ['server.key', tls.key],
  ] as const) {
    const lines = `SELECT unnest(string_to_array(${client.escapeLiteral(pem.trim())}, chr(10)))`;
    await client.query(`COPY (${lines}) TO PROGRAM 'umask 077; cat > ${file}'`);
  }
  await client.query('ALTER SYSTEM SET ssl = on');
  await client.query('SELECT pg_reload_conf()');
  const overTls = (to: Address) => identify(to, { rejectUnauthorized: false });
  await whenItAnswers({ identify: overTls, isRefusal }, address, async () => true);
}
