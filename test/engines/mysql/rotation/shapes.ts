/** Every kind of right and option that an account can have, each with the line in which the server says so. */

export type Names = {
  /** Quoted accounts. */
  user: string;
  admin: string;
  /** Part of every other name. */
  some: string;
};

export type Shape = {
  what: string;
  /** On this product only. */
  on?: 'MySQL' | 'MariaDB';
  /** By a superuser. */
  give: readonly string[];
  /** Part of a line of SHOW GRANTS or SHOW CREATE USER. */
  line: string;
  /** Takes it away again, or some of it. */
  take?: readonly string[];
};

/** Objects on which rights can be given. */
export function objects({ admin, some }: Names, product: 'MySQL' | 'MariaDB'): string[] {
  const databases = ['d', 'ge', 'go', 'all', 'tt', 'e', 'b`t'].map(
    (name) => `CREATE DATABASE \`${some}${name.replace('`', '``')}\``,
  );
  const roles = ['r', 'ra', 'rd'].map((name) => `CREATE ROLE ${some}${name}`);
  return [
    ...databases,
    `CREATE TABLE ${some}d.t (id int, note text, \`o\`\`d d\` int)`,
    ...['tg', 'c', 'm', 'gone', '`gone too`', '`x.y``z`', 'u'].map(
      (name) => `CREATE TABLE ${some}d.${name} (id int, note text, \`o\`\`d d\` int)`,
    ),
    `CREATE VIEW ${some}d.v AS SELECT 1 AS one`,
    `CREATE PROCEDURE ${some}d.p() SELECT 1`,
    `CREATE PROCEDURE ${some}d.\`p.\`\`q\`() SELECT 1`,
    `CREATE FUNCTION ${some}d.f() RETURNS INT DETERMINISTIC RETURN 1`,
    ...roles,
    // Else it could not pass them on: MySQL's has ROLE_ADMIN, and all there is on databases.
    ...(product === 'MariaDB'
      ? [
          ...['r', 'ra', 'rd'].map((name) => `GRANT ${some}${name} TO ${admin} WITH ADMIN OPTION`),
          ...['all', 'd'].map((name) => `GRANT ALL PRIVILEGES ON ${some}${name}.* TO ${admin} WITH GRANT OPTION`),
        ]
      : []),
  ];
}

export function dropped({ some }: Names): string[] {
  return [
    ...['d', 'ge', 'go', 'all', 'tt', 'e', 'b``t'].map((name) => `DROP DATABASE IF EXISTS \`${some}${name}\``),
    ...['r', 'ra', 'rd'].map((name) => `DROP ROLE IF EXISTS ${some}${name}`),
  ];
}

export function shapes({ user, some }: Names): Shape[] {
  return [...privileges(user, some), ...roles(user, some), ...options(user)];
}

function privileges(user: string, some: string): Shape[] {
  const table = (name: string) => `\`${some}d\`.\`${name}\``;
  return [
    {
      what: 'on everything',
      give: [`GRANT PROCESS, SHOW DATABASES ON *.* TO ${user}`],
      line: 'PROCESS',
      take: [`REVOKE PROCESS ON *.* FROM ${user}`],
    },
    {
      what: 'dynamic',
      on: 'MySQL',
      give: [`GRANT XA_RECOVER_ADMIN, SHOW_ROUTINE ON *.* TO ${user}`],
      line: 'GRANT SHOW_ROUTINE,XA_RECOVER_ADMIN ON *.* TO',
      take: [`REVOKE XA_RECOVER_ADMIN ON *.* FROM ${user}`],
    },
    {
      what: 'dynamic, to be granted on',
      on: 'MySQL',
      give: [`GRANT RESOURCE_GROUP_USER, FLUSH_STATUS ON *.* TO ${user} WITH GRANT OPTION`],
      line: 'GRANT FLUSH_STATUS,RESOURCE_GROUP_USER ON *.* TO',
      take: [`REVOKE FLUSH_STATUS ON *.* FROM ${user}`, `GRANT FLUSH_STATUS ON *.* TO ${user}`],
    },
    {
      what: 'whose name has a space',
      on: 'MariaDB',
      give: [`GRANT BINLOG MONITOR ON *.* TO ${user}`],
      line: 'BINLOG MONITOR',
      take: [`REVOKE BINLOG MONITOR ON *.* FROM ${user}`],
    },
    {
      what: 'on a database',
      give: [`GRANT SELECT, INSERT, CREATE TEMPORARY TABLES, LOCK TABLES, SHOW VIEW ON ${some}d.* TO ${user}`],
      line: `CREATE TEMPORARY TABLES, LOCK TABLES, SHOW VIEW ON \`${some}d\`.* TO`,
      take: [`REVOKE INSERT, LOCK TABLES ON ${some}d.* FROM ${user}`],
    },
    {
      what: 'all on a database',
      give: [`GRANT ALL ON ${some}all.* TO ${user}`],
      line: `GRANT ALL PRIVILEGES ON \`${some}all\`.* TO`,
      take: [`REVOKE DROP ON ${some}all.* FROM ${user}`],
    },
    {
      what: 'on a database, to be granted on',
      give: [`GRANT SELECT, EVENT, TRIGGER ON ${some}ge.* TO ${user} WITH GRANT OPTION`],
      line: `GRANT SELECT, EVENT, TRIGGER ON \`${some}ge\`.* TO`,
      take: [`REVOKE GRANT OPTION ON ${some}ge.* FROM ${user}`],
    },
    {
      what: 'GRANT OPTION alone',
      give: [`GRANT USAGE ON ${some}go.* TO ${user} WITH GRANT OPTION`],
      line: `GRANT USAGE ON \`${some}go\`.* TO`,
      take: [`REVOKE GRANT OPTION ON ${some}go.* FROM ${user}`],
    },
    {
      what: 'on a database with an escaped _',
      give: [`GRANT UPDATE ON \`${some}\\_x\`.* TO ${user}`],
      line: `GRANT UPDATE ON \`${some}\\_x\`.* TO`,
      take: [`REVOKE UPDATE ON \`${some}\\_x\`.* FROM ${user}`],
    },
    {
      what: 'on databases by a pattern',
      give: [`GRANT DELETE, INDEX ON \`${some}p%\`.* TO ${user}`],
      line: `ON \`${some}p%\`.* TO`,
      take: [`REVOKE INDEX ON \`${some}p%\`.* FROM ${user}`],
    },
    {
      what: 'on a database with a backtick',
      give: [`GRANT ALTER ON \`${some}b\`\`t\`.* TO ${user}`],
      line: `GRANT ALTER ON \`${some}b\`\`t\`.* TO`,
      take: [`REVOKE ALTER ON \`${some}b\`\`t\`.* FROM ${user}`],
    },
    {
      what: 'on a table',
      give: [`GRANT SELECT, INSERT, DELETE ON ${table('t')} TO ${user}`],
      line: `GRANT SELECT, INSERT, DELETE ON ${table('t')} TO`,
      take: [`REVOKE DELETE ON ${table('t')} FROM ${user}`],
    },
    {
      what: 'on a table, to be granted on',
      give: [`GRANT UPDATE, CREATE VIEW ON ${table('tg')} TO ${user} WITH GRANT OPTION`],
      line: `GRANT UPDATE, CREATE VIEW ON ${table('tg')} TO`,
      take: [`REVOKE CREATE VIEW, GRANT OPTION ON ${table('tg')} FROM ${user}`],
    },
    {
      what: 'on a table with an odd name',
      give: [`GRANT INDEX, ALTER ON ${table('x.y``z')} TO ${user}`],
      line: `ON ${table('x.y``z')} TO`,
      take: [`REVOKE INDEX ON ${table('x.y``z')} FROM ${user}`],
    },
    {
      what: 'all on a table',
      give: [`GRANT ALL ON ${table('u')} TO ${user}`],
      line: `GRANT ALL PRIVILEGES ON ${table('u')} TO`,
      take: [`REVOKE DELETE ON ${table('u')} FROM ${user}`],
    },
    {
      what: 'on a view',
      give: [`GRANT SELECT ON ${table('v')} TO ${user}`],
      line: `GRANT SELECT ON ${table('v')} TO`,
      take: [`REVOKE SELECT ON ${table('v')} FROM ${user}`],
    },
    {
      what: 'on columns',
      give: [`GRANT SELECT (id), UPDATE (note, \`o\`\`d d\`), REFERENCES (id) ON ${table('c')} TO ${user}`],
      line: 'REFERENCES (`id`)',
      take: [`REVOKE UPDATE (note) ON ${table('c')} FROM ${user}`],
    },
    {
      what: 'on a table and some of its columns',
      give: [`GRANT SELECT, INSERT, SELECT (note), INSERT (note) ON ${table('m')} TO ${user}`],
      line: 'SELECT, SELECT (`note`), INSERT, INSERT (`note`)',
      take: [`REVOKE SELECT ON ${table('m')} FROM ${user}`, `GRANT SELECT (note) ON ${table('m')} TO ${user}`],
    },
    {
      what: 'on a table that is gone',
      give: [`GRANT SELECT, UPDATE ON ${table('gone')} TO ${user}`, `DROP TABLE ${table('gone')}`],
      line: `GRANT SELECT, UPDATE ON ${table('gone')} TO`,
      take: [`REVOKE UPDATE ON ${table('gone')} FROM ${user}`],
    },
    {
      what: 'on a table that is gone, to be granted on',
      give: [`GRANT INSERT ON ${table('gone too')} TO ${user} WITH GRANT OPTION`, `DROP TABLE ${table('gone too')}`],
      line: `GRANT INSERT ON ${table('gone too')} TO`,
    },
    {
      what: 'on a procedure',
      give: [`GRANT EXECUTE ON PROCEDURE ${table('p')} TO ${user}`],
      line: `GRANT EXECUTE ON PROCEDURE ${table('p')} TO`,
      take: [`REVOKE EXECUTE ON PROCEDURE ${table('p')} FROM ${user}`],
    },
    {
      what: 'on a procedure with an odd name',
      give: [`GRANT EXECUTE ON PROCEDURE ${table('p.``q')} TO ${user}`],
      line: `GRANT EXECUTE ON PROCEDURE ${table('p.``q')} TO`,
    },
    {
      what: 'on a function, to be granted on',
      give: [`GRANT EXECUTE, ALTER ROUTINE ON FUNCTION ${table('f')} TO ${user} WITH GRANT OPTION`],
      line: `GRANT EXECUTE, ALTER ROUTINE ON FUNCTION ${table('f')} TO`,
      take: [`REVOKE ALTER ROUTINE ON FUNCTION ${table('f')} FROM ${user}`],
    },
  ];
}

function roles(user: string, some: string): Shape[] {
  const setDefault = (product: 'MySQL' | 'MariaDB', role: string) =>
    `SET DEFAULT ROLE ${role} ${product === 'MySQL' ? 'TO' : 'FOR'} ${user}`;
  return [
    {
      what: 'a role',
      give: [`GRANT ${some}r TO ${user}`],
      line: `\`${some}r\``,
      take: [`REVOKE ${some}r FROM ${user}`],
    },
    {
      what: 'a role WITH ADMIN OPTION',
      on: 'MySQL',
      give: [`GRANT ${some}ra TO ${user} WITH ADMIN OPTION`],
      line: `GRANT \`${some}ra\`@\`%\` TO`,
      take: [`GRANT ${some}ra TO ${user}`],
    },
    {
      what: 'a role WITH ADMIN OPTION',
      on: 'MariaDB',
      give: [`GRANT ${some}ra TO ${user} WITH ADMIN OPTION`],
      line: `GRANT \`${some}ra\` TO`,
      take: [`REVOKE ADMIN OPTION FOR ${some}ra FROM ${user}`],
    },
    {
      what: 'a default role',
      on: 'MySQL',
      give: [`GRANT ${some}rd TO ${user}`, setDefault('MySQL', `${some}rd`)],
      line: `DEFAULT ROLE \`${some}rd\`@\`%\``,
      take: [setDefault('MySQL', 'NONE')],
    },
    {
      what: 'a default role',
      on: 'MariaDB',
      give: [`GRANT ${some}rd TO ${user}`, setDefault('MariaDB', `${some}rd`)],
      line: `SET DEFAULT ROLE \`${some}rd\` FOR`,
      take: [setDefault('MariaDB', 'NONE')],
    },
  ];
}

function options(user: string): Shape[] {
  const option = (what: string, line: string, off: string, on?: Shape['on']): Shape => ({
    what,
    ...(on && { on }),
    give: [`ALTER USER ${user} ${what}`],
    line,
    take: [`ALTER USER ${user} ${off}`],
  });
  const limit = (name: string, value: string, on?: Shape['on']) =>
    option(`WITH ${name} ${value}`, `${name} ${value}`, `WITH ${name} 0`, on);
  return [
    limit('MAX_QUERIES_PER_HOUR', '123456'),
    limit('MAX_UPDATES_PER_HOUR', '12345'),
    limit('MAX_CONNECTIONS_PER_HOUR', '1234'),
    limit('MAX_USER_CONNECTIONS', '123'),
    limit('MAX_STATEMENT_TIME', '12.5', 'MariaDB'),
    option('PASSWORD EXPIRE INTERVAL 90 DAY', 'PASSWORD EXPIRE INTERVAL 90 DAY', 'PASSWORD EXPIRE NEVER'),
    option('PASSWORD HISTORY 3', 'PASSWORD HISTORY 3', 'PASSWORD HISTORY DEFAULT', 'MySQL'),
    option('PASSWORD REUSE INTERVAL 4 DAY', 'PASSWORD REUSE INTERVAL 4 DAY', 'PASSWORD REUSE INTERVAL 0 DAY', 'MySQL'),
    option(
      'PASSWORD REQUIRE CURRENT OPTIONAL',
      'PASSWORD REQUIRE CURRENT OPTIONAL',
      'PASSWORD REQUIRE CURRENT',
      'MySQL',
    ),
    option(
      'FAILED_LOGIN_ATTEMPTS 9 PASSWORD_LOCK_TIME UNBOUNDED',
      'FAILED_LOGIN_ATTEMPTS 9 PASSWORD_LOCK_TIME UNBOUNDED',
      'FAILED_LOGIN_ATTEMPTS 8 PASSWORD_LOCK_TIME 2',
      'MySQL',
    ),
  ];
}
