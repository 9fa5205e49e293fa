/**
 * The matrix can fail: rules that keep a rotation safe, each broken on purpose, and the point that reports it. Not listed is what another
 * rule makes good by itself: there the matrix rightly sees nothing.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';

export type BrokenRule = {
  rule: string;
  /** Text that stands exactly once in the file, and what takes its place. */
  edits: { file: string; find: string; replace: string }[];
  caughtBy: string;
  /** What the report says, in part. */
  saying: string;
};

export const brokenRules: BrokenRule[] = [
  {
    rule: 'createSecret keeps the pending value that an earlier attempt stored',
    edits: [
      {
        file: 'shared/rotation.ts',
        find: 'const stored = await versions.pending(event.token);',
        replace: 'const stored = undefined as Version | undefined;',
      },
      {
        file: 'shared/versions.ts',
        find: "=== 'ResourceExistsException') return 'exists';",
        replace: "=== '') return 'exists';",
      },
    ],
    caughtBy: 'createSecret/sm/←PutSecretValue#1/kill-before',
    saying: 'did not converge',
  },
  {
    rule: 'after a time-out or a network fault the old password is not put back',
    edits: [
      {
        file: 'shared/single-user.ts',
        find: "if (result.is !== 'refused' || found.with !== current.value) throw result.why;",
        replace: 'if (found.with !== current.value) throw result.why;',
      },
      {
        file: 'shared/single-user.ts',
        find: 'const again = await logins.unlessRefused(pending);',
        replace: 'const again = undefined as S | undefined; void logins;',
      },
    ],
    caughtBy: 'setSecret/db2/→Startup#1/delay',
    saying: 'the password went back',
  },
  {
    rule: 'nothing is promoted that has not logged in',
    edits: [
      {
        file: 'shared/single-user.ts',
        find: 'test: ({ logins }, pending) => logins.prove(pending),',
        replace: 'test: async () => {},',
      },
    ],
    caughtBy: 'after-setSecret/edit-password',
    saying: 'LOCK-OUT',
  },
  {
    rule: 'finishSecret logs in again if AWSCURRENT was edited since',
    edits: [{ file: 'shared/rotation.ts', find: 'if (version.createdAt >= stored.createdAt)', replace: 'if (false)' }],
    caughtBy: 'after-testSecret/edit-password',
    saying: 'LOCK-OUT',
  },
  {
    rule: 'a pending version is not trusted after AWSCURRENT was edited',
    edits: [
      {
        file: 'shared/single-user.ts',
        find: 'const keys = differingKeys(current, pending);',
        replace: 'const keys: string[] = []; void differingKeys;',
      },
    ],
    caughtBy: 'after-createSecret/edit-key',
    saying: 'what a person wrote into the secret is lost',
  },
  {
    rule: 'AWSPENDING is taken off only when AWSCURRENT works',
    edits: [
      {
        file: 'shared/rotation.ts',
        find: 'await strategy.withdraw(',
        replace: 'await (async (_: unknown, __: unknown, released: () => Promise<void>) => released())(',
      },
    ],
    caughtBy: 'after-setSecret/edit-key',
    saying: 'LOCK-OUT',
  },
  {
    rule: 'a refused AWSCURRENT leads on to AWSPENDING',
    edits: [
      {
        file: 'shared/login.ts',
        find: 'const asPending = await attempt(pending.value);',
        replace: 'const asPending = undefined as Found<S> | undefined;',
      },
    ],
    caughtBy: 'setSecret/db1/←CommandComplete:COMMIT#1/kill-before',
    saying: 'but one of them logs in',
  },
  {
    rule: 'the server has a time limit for every statement',
    edits: [
      {
        file: 'functions/postgres/engine.ts',
        find: "return Math.max(1, Math.floor(until.left('statements') * SERVER_SHARE));",
        replace: "return until.left('statements') * 0;",
      },
    ],
    caughtBy: 'setSecret/locked',
    saying: 'the server still has sessions',
  },
  {
    rule: 'a verifier is sent instead of the password',
    edits: [{ file: 'functions/postgres/engine.ts', find: 'await scramVerifier(to)', replace: 'to.reveal()' }],
    caughtBy: 'setSecret/db1/→Query:ALTER#1/kill-after',
    saying: 'LEAK: a password',
  },
  {
    rule: 'the event is never logged',
    edits: [
      {
        file: 'shared/handler.ts',
        find: 'const event = parseEvent(input);',
        replace: 'const event = parseEvent(input); console.log(JSON.stringify(input));',
      },
    ],
    caughtBy: 'createSecret/sm/→PutSecretValue#1/drop',
    saying: 'LEAK: the RotationToken',
  },
  {
    rule: 'the server ends a transaction whose client is gone',
    edits: [{ file: 'functions/postgres/engine.ts', find: 'idle_in_transaction_session_timeout: limit,', replace: '' }],
    caughtBy: 'setSecret/db1/→Query:ALTER#1/late',
    saying: 'the server still has sessions',
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
