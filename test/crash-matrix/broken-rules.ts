/**
 * The matrix can fail: rules that keep a rotation safe, each broken on purpose, and the point that reports it. Not listed is what another
 * rule makes good by itself: there the matrix rightly sees nothing.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import type { EngineKey } from '../engines/servers.ts';

export type BrokenRule = {
  rule: string;
  /** Text that stands exactly once in the file, and what takes its place. */
  edits: { file: string; find: string; replace: string }[];
  engine: EngineKey;
  strategy: StrategyName;
  caughtBy: string;
  /** What the report says, in part. */
  saying: string;
};

const PENDING_TRUSTED = {
  file: 'shared/database/strategies/dormant-user.ts',
  find: "const dormant = pending.username === pair.base.username ? 'base' : 'twin';",
  replace: `const earlier = await work.logins.logInUnlessRefused(pending);
    await earlier?.close();
    if (earlier) return { pending, hasRoom: true };
    const dormant = pending.username === pair.base.username ? 'base' : 'twin';`,
};

const NOTHING_UNPROVEN: BrokenRule = {
  rule: 'nothing is promoted that has not logged in',
  edits: [
    {
      file: 'shared/database/strategies/one-user.ts',
      find: 'async test(pending, at) {',
      replace: "async test(pending, at) { if (pending) return 'all';",
    },
  ],
  engine: 'postgres',
  strategy: 'single-user',
  caughtBy: 'after-setSecret/edit-password',
  saying: 'LOCK-OUT',
};

export const brokenRules: BrokenRule[] = [
  {
    rule: 'createSecret keeps the pending value that an earlier attempt stored',
    edits: [
      {
        file: 'shared/core/rotation.ts',
        find: 'storedOrWhyNot(versions.pending(event.token)),',
        replace: 'Promise.resolve(undefined as Version | undefined),',
      },
      {
        file: 'shared/core/versions.ts',
        find: "=== 'ResourceExistsException') return 'exists';",
        replace: "=== '') return 'exists';",
      },
    ],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'createSecret/sm/←PutSecretValue#1/kill-before',
    saying: 'did not converge',
  },
  {
    rule: 'after a time-out or a network fault the old password is not put back',
    edits: [
      {
        file: 'shared/database/strategies/set-password.ts',
        find: "if (result.is !== 'refused') {",
        replace: "if (result.is === 'barred') {",
      },
      {
        file: 'shared/database/strategies/set-password.ts',
        find: 'const again = await logins.logInUnlessRefused(pending);',
        replace: 'const again = undefined as S | undefined; void logins;',
      },
    ],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'setSecret/db2/→Startup#1/delay',
    saying: 'the password went back',
  },
  NOTHING_UNPROVEN,
  {
    rule: 'finishSecret logs in again if AWSCURRENT was edited since',
    edits: [
      {
        file: 'shared/core/rotation.ts',
        find: 'const seen = await strategy.test(',
        replace: "const seen = 'all' as string; void (",
      },
    ],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'after-testSecret/edit-password',
    saying: 'LOCK-OUT',
  },
  {
    rule: 'a pending version is not trusted after AWSCURRENT was edited',
    edits: [
      {
        file: 'shared/database/strategies/one-user.ts',
        find: 'const keys = differingKeys(current, pending);',
        replace: 'const keys: string[] = []; void differingKeys;',
      },
    ],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'after-createSecret/edit-key',
    saying: 'what a person wrote into the secret is lost',
  },
  {
    rule: 'AWSPENDING is taken off only when AWSCURRENT works',
    edits: [
      {
        file: 'shared/core/rotation.ts',
        find: 'await withdrawing.withdraw(',
        replace: 'void withdrawing; await (async (given: Rotation<V>, _: unknown) => given.release())(',
      },
    ],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'after-setSecret/edit-key',
    saying: 'LOCK-OUT',
  },
  {
    rule: 'a refused AWSCURRENT leads on to AWSPENDING',
    edits: [
      {
        file: 'shared/database/logins.ts',
        find: 'const asPending = pending && (await found(pending.value));',
        replace: 'const asPending = undefined as Found<S> | undefined;',
      },
    ],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'setSecret/db1/←CommandComplete:COMMIT#1/kill-before',
    saying: 'but one of them logs in',
  },
  {
    rule: 'the server has a time limit for every statement',
    edits: [
      {
        file: 'shared/core/deadline.ts',
        find: "return Math.max(1, Math.floor(this.left('statements') * SERVER_SHARE));",
        replace: "return this.left('statements') * 0;",
      },
    ],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'setSecret/locked',
    saying: 'the server still has sessions',
  },
  {
    rule: 'a verifier is sent instead of the password',
    edits: [
      {
        file: 'functions/postgres/password.ts',
        find: 'await scramVerifier(to, session.scramIterations)',
        replace: 'to.reveal()',
      },
    ],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'setSecret/db1/→Query:ALTER#1/kill-after',
    saying: 'LEAK: a password',
  },
  {
    rule: 'the event is never logged',
    edits: [
      {
        file: 'shared/core/handler.ts',
        find: 'const event = parseEvent(input);',
        replace: 'const event = parseEvent(input); console.log(JSON.stringify(input));',
      },
    ],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'createSecret/sm/→PutSecretValue#1/drop',
    saying: 'LEAK: the RotationToken',
  },
  {
    rule: 'the server ends a transaction whose client is gone',
    edits: [{ file: 'functions/postgres/login.ts', find: 'idle_in_transaction_session_timeout: limit,', replace: '' }],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'setSecret/db1/→Query:ALTER#1/late',
    saying: 'the server still has sessions',
  },
  {
    rule: 'the admin too sends a verifier instead of the password',
    edits: [
      {
        file: 'functions/postgres/password.ts',
        find: 'await scramVerifier(to, session.scramIterations)',
        replace: 'to.reveal()',
      },
    ],
    engine: 'postgres',
    strategy: 'single-user-by-admin',
    caughtBy: 'setSecret/db2/→Query:ALTER#1/kill-after',
    saying: 'LEAK: a password',
  },
  {
    rule: 'the password comes last, and in one transaction with the rights',
    edits: [
      {
        file: 'shared/database/strategies/dormant-user.ts',
        find: 'await bringInLine(given,',
        replace: `await twins.enable(session, pair, dormant, pending.password);
          await (session as any).rows('COMMIT; BEGIN');
          await bringInLine(given,`,
      },
      PENDING_TRUSTED,
    ],
    engine: 'postgres',
    strategy: 'alternating-users',
    caughtBy: 'setSecret/db2/→Query:GRANT#1/kill-before',
    saying: 'refused with TwinRightsError',
  },
  {
    rule: 'a login with the pending password says nothing about the rights',
    edits: [PENDING_TRUSTED],
    engine: 'postgres',
    strategy: 'alternating-users',
    caughtBy: 'after-setSecret/edit-base',
    saying: 'refused with TwinRightsError',
  },
  {
    rule: 'nothing is promoted that lacks rights of its predecessor',
    edits: [
      { file: 'shared/database/strategies/twin-rights.ts', find: 'if (wrong.length > 0)', replace: 'if (false)' },
    ],
    engine: 'postgres',
    strategy: 'alternating-users',
    caughtBy: 'after-setSecret/edit-base',
    saying: 'the twin is not in line with the base',
  },
  {
    rule: 'a user that nothing shows to be this secret’s gets no password',
    edits: [
      {
        file: 'shared/database/strategies/whose-user.ts',
        find: 'const isEmptyTwin = ',
        replace: 'const isEmptyTwin = true || ',
      },
    ],
    engine: 'postgres',
    strategy: 'alternating-users',
    caughtBy: 'after-createSecret/stranger',
    saying: 'had to be refused with ForeignUserError',
  },
  {
    rule: 'a twin that bears another secret’s mark is left alone',
    edits: [
      {
        file: 'shared/database/strategies/whose-user.ts',
        find: 'if (owner !== undefined && owner !== pair.owner)',
        replace: 'if (false)',
      },
    ],
    engine: 'postgres',
    strategy: 'alternating-users',
    caughtBy: 'after-createSecret/claimed',
    saying: 'had to be refused with ForeignUserError',
  },
  {
    rule: 'the base is the authority, not the twin',
    edits: [
      {
        file: 'shared/database/strategies/twin-rights.ts',
        find: 'const more = all.filter((difference) => !isForBase(difference));',
        replace: `void isForBase;
          for (const each of await visibleDifferences(given))
            await given.twins.apply(given.session, given.pair, { ...each, sql: each.remedies[0] } as Difference);
          const more: Difference[] = [];`,
      },
    ],
    engine: 'postgres',
    strategy: 'alternating-users',
    caughtBy: 'to-base/after-createSecret/edit-twin',
    saying: 'the rotation changed the base',
  },
  {
    rule: 'nothing is applied to the user that AWSCURRENT names',
    edits: [
      {
        file: 'shared/database/strategies/dormant-user.ts',
        find: "if (dormant === 'twin') {",
        replace: 'if (true) {',
      },
    ],
    engine: 'postgres',
    strategy: 'alternating-users',
    caughtBy: 'to-base/after-createSecret/edit-base',
    saying: 'the rotation changed the twin',
  },
  {
    ...NOTHING_UNPROVEN,
    engine: 'mysql',
  },
  {
    rule: 'no wait of the server’s is longer than the function',
    edits: [
      {
        file: 'functions/mysql/session.ts',
        find: 'const seconds = this.#seconds();',
        replace: 'const seconds = 3600;',
      },
    ],
    engine: 'mysql',
    strategy: 'single-user',
    caughtBy: 'setSecret/locked',
    saying: 'the server still has sessions',
  },
  {
    rule: 'no statement of the server’s is longer than the function',
    edits: [
      {
        file: 'functions/mysql/session.ts',
        find: 'max_statement_time = ',
        replace: 'max_statement_time = 0 * ',
      },
    ],
    engine: 'mariadb',
    strategy: 'single-user',
    caughtBy: 'setSecret/locked',
    saying: 'the server still has sessions',
  },
  {
    rule: 'a hash is sent instead of the password',
    edits: [
      {
        file: 'functions/mysql/password.ts',
        find: 'literal(nativeHash(to))}`\n    : `ALTER',
        replace: 'literal(to.reveal())}`\n    : `ALTER',
      },
    ],
    engine: 'mariadb',
    strategy: 'single-user',
    caughtBy: 'setSecret/db1/→Query:SET-PASSWORD#1/kill-after',
    saying: 'LEAK: a password',
  },
  {
    rule: 'the password comes after the rights, where a server has no transaction for them',
    edits: [
      {
        file: 'shared/database/strategies/dormant-user.ts',
        find: 'await bringInLine(given,',
        replace: 'await twins.enable(session, pair, dormant, pending.password); await bringInLine(given,',
      },
      PENDING_TRUSTED,
    ],
    engine: 'mysql',
    strategy: 'alternating-users',
    caughtBy: 'setSecret/db2/→Query:GRANT#1/kill-before',
    saying: 'refused with LoginBarredError, though no person did anything',
  },
  {
    rule: 'where nothing can be marked, a user that is there already gets no password',
    edits: [
      {
        file: 'shared/database/strategies/whose-user.ts',
        find: 'const isEmptyTwin = ',
        replace: 'const isEmptyTwin = true || ',
      },
    ],
    engine: 'mariadb',
    strategy: 'alternating-users',
    caughtBy: 'after-createSecret/stranger',
    saying: 'had to be refused with ForeignUserError',
  },
  {
    rule: 'the password that is replaced is kept',
    edits: [{ file: 'functions/mysql/overlap.ts', find: ' RETAIN CURRENT PASSWORD`;', replace: '`;' }],
    engine: 'mysql',
    strategy: 'dual-password',
    caughtBy: 'createSecret/twice',
    saying: 'LOCK-OUT',
  },
  {
    rule: 'a second password is set only where AWSCURRENT’s is the first',
    edits: [
      { file: 'functions/mysql/overlap.ts', find: ' REPLACE $', replace: ' /* $' },
      {
        file: 'functions/mysql/overlap.ts',
        find: ' RETAIN CURRENT PASSWORD`;',
        replace: ' */ RETAIN CURRENT PASSWORD`;',
      },
    ],
    engine: 'mysql',
    strategy: 'dual-password',
    caughtBy: 'setSecret/db1/←OK:ALTER#1/kill-before',
    saying: 'LOCK-OUT',
  },
  {
    ...NOTHING_UNPROVEN,
    engine: 'mongo',
  },
  {
    rule: 'a step leaves no connection open',
    edits: [
      {
        file: 'functions/mongodb/session.ts',
        find: 'return disconnect(this.#client);',
        replace: 'return Promise.resolve();',
      },
    ],
    engine: 'mongo',
    strategy: 'single-user',
    caughtBy: 'after-createSecret/edit-key',
    saying: 'the server still has sessions',
  },
  {
    rule: 'a new twin has what shows that it is this secret’s: the pending password, and the mark where it can bear one',
    edits: [
      {
        file: 'functions/mongodb/twins.ts',
        find: 'pwd: to.reveal(),',
        replace: 'pwd: Math.random() + to.reveal(),',
      },
      {
        file: 'functions/mongodb/twins.ts',
        find: 'admin.keepsMarks && { customData: customDataWith(customData, pair) }',
        replace: 'admin.keepsMarks && { customData }',
      },
    ],
    engine: 'mongo',
    strategy: 'alternating-users',
    caughtBy: 'setSecret/db2/←OK:createUser#1/kill-before',
    saying: 'refused with ForeignUserError, though no person did anything',
  },
  {
    rule: 'where nothing can be marked, a user that is there already gets no password',
    edits: [
      {
        file: 'shared/database/strategies/whose-user.ts',
        find: 'const isEmptyTwin = ',
        replace: 'const isEmptyTwin = true || ',
      },
    ],
    engine: 'mongo',
    strategy: 'alternating-users',
    caughtBy: 'after-createSecret/stranger',
    saying: 'had to be refused with ForeignUserError',
  },
];

/** For the build: the function with this rule broken. Fails if the code has moved on and a text is not there once. */
export function breaking({ edits }: BrokenRule): Plugin {
  return {
    name: 'broken-rule',
    setup({ onLoad }) {
      for (const file of new Set(edits.map((edit) => edit.file))) {
        const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
        onLoad({ filter: new RegExp(`/${file.replaceAll('.', '[.]')}$`) }, async () => {
          const source = await readFile(path, 'utf8');
          const contents = edits.filter((edit) => edit.file === file).reduce(applied, source);
          return { contents, loader: 'ts' };
        });
      }
    },
  };
}

function applied(source: string, { file, find, replace }: BrokenRule['edits'][number]): string {
  if (source.split(find).length !== 2) throw new Error(`${file} has this text not exactly once: ${find}`);
  return source.replace(find, () => replace);
}
