/**
 * The interleavings can fail: rules that keep a rotation safe from what comes in between, each broken on purpose, and the point that reports it.
 * Not listed is what another rule makes good by itself.
 */
import type { BrokenRule } from '../crash-matrix/broken-rules.ts';

export const brokenRules: BrokenRule[] = [
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
    caughtBy: 'edit-note@after-createSecret',
    saying: 'what a person wrote into the secret is lost',
  },
  {
    rule: 'AWSCURRENT moves from the version that was compared, and from no other',
    edits: [
      {
        file: 'shared/core/versions.ts',
        find: 'MoveToVersionId: token, RemoveFromVersionId: from });',
        replace: 'MoveToVersionId: token, RemoveFromVersionId: (await this.current()).id ?? from });',
      },
    ],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'edit-note@finishSecret/sm/→GetSecretValue#1',
    saying: 'what a person wrote into the secret is lost',
  },
  {
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
    caughtBy: 'edit-password@after-setSecret',
    saying: 'LOCK-OUT',
  },
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
    caughtBy: 'edit-password@after-testSecret',
    saying: 'LOCK-OUT',
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
    caughtBy: 'edit-note@after-setSecret',
    saying: 'LOCK-OUT',
  },
  {
    rule: 'a refused AWSCURRENT and AWSPENDING lead on to the other versions',
    edits: [
      {
        file: 'shared/database/logins.ts',
        find: 'if (this.#refusals >= MOST_REFUSALS) break;',
        replace: 'break;',
      },
    ],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'edit-wrong-password@after-createSecret',
    saying: 'refused without a reason',
  },
  {
    rule: 'after a change the labels are looked at once more',
    edits: [
      {
        file: 'shared/database/strategies/overtaken.ts',
        find: 'if (now === undefined) return;',
        replace: 'if (now !== null) return;',
      },
    ],
    engine: 'postgres',
    strategy: 'single-user',
    caughtBy: 'give-up@setSecret/db1/→Query:COMMIT#1',
    saying: 'LOCK-OUT',
  },
  {
    rule: 'a login with the pending password says nothing about the rights',
    edits: [
      {
        file: 'shared/database/strategies/dormant-user.ts',
        find: "const dormant = pending.username === pair.base.username ? 'base' : 'twin';",
        replace: `const earlier = await work.logins.logInUnlessRefused(pending);
          await earlier?.close();
          if (earlier) return { pending, hasRoom: true };
          const dormant = pending.username === pair.base.username ? 'base' : 'twin';`,
      },
      { file: 'shared/database/strategies/twin-rights.ts', find: 'if (wrong.length > 0)', replace: 'if (false)' },
    ],
    engine: 'postgres',
    strategy: 'alternating-users',
    caughtBy: 'aws-function-then-anew@setSecret',
    saying: 'promoted: the twin is not in line with the base',
  },
  {
    rule: 'a twin is not promoted without the base’s rights, whoever stored the pending version',
    edits: [
      {
        file: 'shared/database/strategies/alternating-users.ts',
        find: 'namesIn(pending) ?? namesIn(at)',
        replace: 'namesIn(pending)',
      },
    ],
    engine: 'postgres',
    strategy: 'alternating-users',
    caughtBy: 'aws-function@testSecret',
    saying: 'promoted: the twin is not in line with the base',
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
    caughtBy: 'stranger@after-createSecret',
    saying: 'who is somebody else’s',
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
    caughtBy: 'claim@after-createSecret',
    saying: 'who is somebody else’s',
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
    caughtBy: 'to-base/grant-to-twin@after-createSecret',
    saying: 'the rotation changed the base',
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
    caughtBy: 'second-attempt@setSecret/db1/→Query:ALTER#1',
    saying: 'LOCK-OUT',
  },
  {
    rule: 'the password that is replaced is kept',
    edits: [{ file: 'functions/mysql/overlap.ts', find: ' RETAIN CURRENT PASSWORD`;', replace: '`;' }],
    engine: 'mysql',
    strategy: 'dual-password',
    caughtBy: 'cancel@after-setSecret',
    saying: 'LOCK-OUT',
  },
  {
    rule: 'a search among old passwords goes on where the last attempt has stopped',
    edits: [
      {
        file: 'shared/database/logins.ts',
        find: 'const isPassed = this.#remembered.has(this.#at, value);',
        replace: 'const isPassed = false as boolean;',
      },
    ],
    engine: 'mariadb',
    strategy: 'alternating-users',
    caughtBy: 'to-twin/give-up-thrice@setSecret/db2/→Quit#1',
    saying: 'refused without a reason',
  },
  {
    rule: 'an admin logs in only after AWSCURRENT has',
    edits: [
      {
        file: 'shared/database/strategies/alternating-users.ts',
        find: 'const proving = proveOwnUser(work, names);\n  const [',
        replace: "const proving = Promise.resolve({ realm: '' }); void proveOwnUser;\n  const [",
      },
    ],
    engine: 'postgres',
    strategy: 'alternating-users',
    caughtBy: 'edit-somebody-else@after-finishSecret',
    saying: 'who is somebody else’s',
  },
];
