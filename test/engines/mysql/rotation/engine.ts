import type { RotatedEngine } from '../../../rotation/engine.ts';
import { quoted } from '../users.ts';

export const rotation: RotatedEngine = {
  name: 'MySQL and MariaDB',
  driver:
    /^(mysql2|iconv-lite|safer-buffer|long|lru\.min|sql-escaper|named-placeholders|generate-function|is-property)$/,
  changeInLog: /ALTER USER 'app_\w+'@'%' IDENTIFIED BY <secret> REPLACE <secret>|SET PASSWORD = '\*[0-9A-F]{40}'/g,
  everyStatement: {},
  loginOverTls: (user) => new RegExp(`Connect\t${user}@\\S+ on \\S* using SSL/TLS`, 'g'),
  changeByAdmin: 'ALTER USER',
  hasLock: true,
  oneConnection: (user) => `ALTER USER ${user} WITH MAX_USER_CONNECTIONS 1`,
  adoption: ({ base, twin, secret }) =>
    `ALTER USER ${quoted(twin)} ATTRIBUTE '{"secret-rotation":{"secret":"${secret}","base":"${base}"}}'`,
  seesUsers: (user) => `GRANT SELECT ON mysql.* TO ${user}`,
};
