import type { RotatedEngine } from '../../../rotation/engine.ts';

export const rotation: RotatedEngine = {
  name: 'PostgreSQL',
  driver: /^(pg(-.*)?|pgpass|split2|xtend|postgres-(array|bytea|date|interval))$/,
  changeInLog: /ALTER ROLE "app_\w+" PASSWORD 'SCRAM-SHA-256/g,
  everyStatement: { log_statement: 'all' },
  loginOverTls: (user) => new RegExp(`connection authorized: user=${user} .* SSL enabled`, 'g'),
  changeByAdmin: 'COMMIT\0',
  hasLock: true,
  oneConnection: (user) => `ALTER ROLE ${user} CONNECTION LIMIT 1`,
  adoption: ({ base, twin, secret }) =>
    `GRANT "${base}" TO "${twin}"; COMMENT ON ROLE "${twin}" IS 'secret-rotation: {"secret":"${secret}","base":"${base}"}'`,
  member: (user, of) => `GRANT ${of} TO ${user}`,
};
