/** What a MySQL or MariaDB server needs. */
import type { RowDataPacket } from 'mysql2/promise';
import type { Container, ServerEngine } from '../../../local/servers/engine.ts';
import type { Address, Settings } from '../../../local/servers/source.ts';
import { connect, isAccessDenied } from './connection.ts';
import { mysqlUsers } from './users.ts';

/** Every connection, refused ones too, and every statement: tests count logins. The server flushes it line by line. */
const GENERAL_LOG = '/tmp/general.log';
const TLS = { certificate: '/certs/server.crt', key: '/certs/server.key' };
/** `loose-` for what only one of the two products has. */
const ALWAYS = {
  general_log: '1',
  log_output: 'FILE',
  general_log_file: GENERAL_LOG,
  skip_name_resolve: '1', // otherwise the server blocks a host after 100 connections that broke off
  // No data here is worth waiting for a disk.
  skip_log_bin: '1',
  innodb_flush_log_at_trx_commit: '0',
  innodb_doublewrite: '0',
  // Several of them share a small machine.
  innodb_buffer_pool_size: '32M',
  performance_schema: '0',
  'loose-mysqlx': '0',
};

export const mysqlServers = {
  rows: {
    'mysql 9.7': {
      engineKey: 'mysql',
      product: 'MySQL',
      version: '9.7',
      addressVariable: 'MYSQL_URL',
      imageVariable: 'MYSQL_IMAGE',
      image: 'mysql:9.7.0',
    },
    'mariadb 11.8': {
      engineKey: 'mariadb',
      product: 'MariaDB',
      version: '11.8',
      addressVariable: 'MARIADB_URL',
      imageVariable: 'MARIADB_IMAGE',
      image: 'mariadb:11.8.3',
    },
    'mariadb 10.11': {
      engineKey: 'mariadb',
      product: 'MariaDB',
      version: '10.11',
      addressVariable: 'MARIADB_OLD_URL',
      imageVariable: 'MARIADB_OLD_IMAGE',
      image: 'mariadb:10.11.14',
    },
  },

  programs: {},
  users: mysqlUsers,

  defaultPort: 3306,
  superuser: 'root',
  database: 'mysql',

  container({ superuser }: Address, { settings, environment, tls }: Settings): Container {
    const [password, yes] = [superuser.password, '1'];
    const options = { ...ALWAYS, ...(tls ? WITH_TLS : WITHOUT_TLS), ...settings };
    return {
      environment: {
        MYSQL_ROOT_PASSWORD: password,
        MARIADB_ROOT_PASSWORD: password,
        MYSQL_INITDB_SKIP_TZINFO: yes,
        MARIADB_INITDB_SKIP_TZINFO: yes,
        ...environment,
      },
      command: Object.entries(options).map(([name, value]) => `--${name}=${value}`),
      ...(tls && {
        files: [
          { target: TLS.certificate, content: tls.certificate },
          { target: TLS.key, content: tls.key },
        ],
      }),
    };
  },

  containerLog: { file: GENERAL_LOG },

  async identify(address: Address) {
    await using client = await connect(address);
    const [[found]] = await client.query<RowDataPacket[]>('SELECT VERSION() AS version');
    const version = String(found?.['version']); // "9.7.0", "11.8.3-MariaDB-ubu2404"
    return { product: version.includes('MariaDB') ? 'MariaDB' : 'MySQL', version: version.split('-')[0] ?? '' };
  },

  isRefusal: isAccessDenied,
} as const satisfies ServerEngine;

const WITH_TLS = { ssl_cert: TLS.certificate, ssl_key: TLS.key };
/** As PostgreSQL is unless told otherwise; these would make a certificate of their own. MySQL knows only the first, and MariaDB needs the second. */
const WITHOUT_TLS = { tls_version: '', 'loose-ssl': '0' };
