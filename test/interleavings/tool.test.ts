/** The interleavings' own parts, where a mistake would make them blind. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { GetSecretValueCommand, PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { describe, expect, test } from '@jest/globals';
import { SecretStore } from '../../local/secrets-manager/store.ts';
import type { Seen } from '../crash-matrix/recorder.ts';
import { type Act, type ActName, acts } from './acts.ts';
import { brokenRules } from './broken-rules.ts';
import { Lookout } from './lookout.ts';
import { partOf, pointsOf } from './points.ts';
import { type WholeRun, writeDocument } from './report.ts';
import type { Version } from './secret.ts';
import { type Called, connectTo } from './secrets-manager.ts';

const DOCUMENT = new URL('../../docs/interleavings.md', import.meta.url);

describe('the lookout', () => {
  /** A user whose password the database has, and a secret that says one. */
  function watch({ labelsMoved = false } = {}) {
    const state = { inDatabase: 'first', inSecret: 'first' };
    const version = (password: string): Version => ({ id: password, value: { username: 'app', password } });
    const versions = [version('first')];
    const lookout = new Lookout(
      {
        counting: () => [version(state.inSecret)],
        kept: async () => new Map([['app', state.inDatabase]]),
        logIn: async ({ password }) => (password === state.inDatabase ? 'accepted' : 'refused'),
        younger: ({ id }) => versions.slice(versions.findIndex((each) => each.id === id) + 1),
        labelsMoved,
      },
      () => {},
    );
    return { state, versions, version, lookout };
  }

  test('counts a lock-out that the function makes, once', async () => {
    const { state, lookout } = watch();
    await lookout.look('the beginning');

    state.inDatabase = 'second';
    await lookout.look('the change');
    await lookout.invocationEnds('setSecret');

    expect(lookout.lockOuts).toEqual(['LOCK-OUT after the change']);
  });

  test('does not count what a person makes, until the function has mended it and makes it again', async () => {
    const { state, lookout } = watch();
    await lookout.whilePeopleWork(async () => {
      state.inSecret = 'wrong';
    });
    await lookout.look('a call');
    expect(lookout).toMatchObject({ lockOuts: [], byPeople: 1 });

    state.inDatabase = 'wrong';
    await lookout.look('the repair');
    state.inDatabase = 'second';
    await lookout.look('another change');

    expect(lookout.lockOuts).toEqual(['LOCK-OUT after another change']);
  });

  test('nobody looks while a person is at work', async () => {
    const { state, lookout } = watch();

    await lookout.whilePeopleWork(async () => {
      state.inDatabase = 'second';
      await lookout.look('a call');
      state.inSecret = 'second';
    });

    expect(lookout).toMatchObject({ lockOuts: [], byPeople: 0 });
  });

  test('where a label has moved the function may mend it in the same step, and not later', async () => {
    for (const [inTime, lockOuts] of [
      [true, 0],
      [false, 1],
    ] as const) {
      const { state, lookout } = watch({ labelsMoved: true });
      state.inDatabase = 'second';
      await lookout.look('the change');
      if (!inTime) await lookout.invocationEnds('setSecret');
      state.inDatabase = 'first';
      await lookout.invocationEnds('setSecret');

      expect(lookout.lockOuts).toHaveLength(lockOuts);
      expect(lookout.repaired).toBe(inTime ? 1 : 0);
    }
  });

  test('a password that a person has set in the database is that person’s, unless the secret says it', async () => {
    for (const isSaid of [false, true]) {
      const { state, versions, version, lookout } = watch();
      await lookout.whilePeopleWork(async () => {
        state.inDatabase = 'a person’s';
        state.inSecret = 'a person’s';
        if (isSaid) versions.push(version('a person’s'));
      });

      state.inSecret = 'first'; // the function has promoted what it had proven before
      await lookout.look('UpdateSecretVersionStage');

      expect(lookout.lockOuts).toHaveLength(isSaid ? 1 : 0);
    }
  });
});

test('the SDK’s client reaches the store, and both directions of each call are heard', async () => {
  const store = new SecretStore();
  const { ARN } = store.createSecret({ Name: 'app', ClientRequestToken: randomUUID(), SecretString: '{"a":1}' });
  const heard: string[] = [];
  const client = connectTo(store, async ({ direction, name, isError }: Called) => {
    heard.push(`${direction}${name}${isError ? ' failed' : ''}`);
  });

  const found = await client.send(new GetSecretValueCommand({ SecretId: ARN }));
  const missing = client.send(new GetSecretValueCommand({ SecretId: ARN, VersionStage: 'AWSPENDING' }));
  await expect(missing).rejects.toMatchObject({ name: 'ResourceNotFoundException', $fault: 'client' });
  await client.send(new PutSecretValueCommand({ SecretId: ARN, SecretString: '{"a":2}' }));

  expect(found).toMatchObject({ SecretString: '{"a":1}', CreatedDate: expect.any(Date) });
  expect(store.getSecretValue({ SecretId: ARN })).toMatchObject({ SecretString: '{"a":2}' });
  expect(heard).toEqual([
    '→GetSecretValue',
    '←GetSecretValue',
    '→GetSecretValue',
    '←GetSecretValue failed',
    '→PutSecretValue',
    '←PutSecretValue',
  ]);
});

describe('points', () => {
  const seen = (peer: string, messages: string[], step: Seen['step'] = 'setSecret') =>
    messages.map((arrow): Seen => {
      const [direction, name] = [arrow.slice(0, 1) as Seen['direction'], arrow.slice(1)];
      return { step, attempt: 1, peer, direction, name, isWrite: false, place: `${step}/${peer}/${arrow}#1` };
    });
  const all = new Set(Object.keys(acts) as ActName[]);
  const placesOf = (messages: Seen[]) =>
    new Set(pointsOf('single-user', 1, messages, all).flatMap(({ act, place }) => (act === 'cancel' ? [place] : [])));

  test('before each call, and before the last of the messages that go to the server together', () => {
    const messages = [
      ...seen('sm', ['→DescribeSecret', '←DescribeSecret', '→GetSecretValue', '←GetSecretValue']),
      ...seen('db1', ['→Startup', '←Authentication', '→Parse', '→Bind', '→Sync', '←ReadyForQuery']),
      ...seen('monitor1', ['→hello', '←hello']),
    ];

    expect([...placesOf(messages)]).toEqual([
      'setSecret/sm/→DescribeSecret#1',
      'setSecret/sm/→GetSecretValue#1',
      'setSecret/db1/→Startup#1',
      'setSecret/db1/→Sync#1',
      'after-createSecret',
      'after-setSecret',
      'after-testSecret',
      'after-finishSecret',
    ]);
  });

  test('each point is in one part, and always in the same', () => {
    const points = pointsOf('alternating-users', 1, seen('sm', ['→DescribeSecret', '→GetSecretValue']), all);
    const parts = Array.from({ length: 7 }, (_, part) => partOf(points, part + 1, 7));

    expect(new Set(parts.flat())).toEqual(new Set(points));
    expect(parts.flat()).toHaveLength(points.length);
    expect(parts.every((part) => part.length > 0)).toBe(true);
    expect(partOf(points, 3, 7)).toEqual(parts[2]);
  });
});

test.each([
  [['--server', 'postgres 15', '--strategy', 'dual-password'], 'PostgreSQL has no --strategy dual-password: '],
  [['--act', 'none'], '--act is none of edit-note, '],
  [['--part', '3/2'], '--part is not like 1/20'],
])('%j is refused, with the reason', async (options, reason) => {
  const tool = fileURLToPath(new URL('main.ts', import.meta.url));

  await expect(promisify(execFile)(process.execPath, [tool, ...options])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(reason),
  });
});

test('what a broken rule replaces stands exactly once in the code', async () => {
  for (const { file, find } of brokenRules.flatMap(({ edits }) => edits)) {
    const source = await readFile(new URL(`../../${file}`, import.meta.url), 'utf8');
    expect({ file, find, times: source.split(find).length - 1 }).toEqual({ file, find, times: 1 });
  }
});

test('the document names every act, and every broken rule with the point that reports it', async () => {
  const document = await readFile(DOCUMENT, 'utf8');

  for (const [name, { says }] of Object.entries(acts) as [string, Act][])
    expect(document).toContain(`| \`${name}\` | ${says} |`);
  for (const { rule, engine, strategy, caughtBy } of brokenRules)
    expect(document).toContain(`| ${rule} | ${engine} | ${strategy} | \`${caughtBy}\` |`);
});

test('the document quotes other documents as they stand, and names the acts that play each sentence', async () => {
  const document = await readFile(DOCUMENT, 'utf8');
  const rows = [...document.matchAll(/^\| ((?:docs\/)?[\w-]+\.md) \| (.*) \| (.*) \|$/gm)];
  expect(rows.length).toBeGreaterThan(20);
  for (const [, name, sentence, played] of rows as unknown as [string, string, string, string][]) {
    const text = asOneLine(await readFile(new URL(`../../${name}`, import.meta.url), 'utf8'));
    expect({ name, sentence, stands: text.includes(sentence) }).toEqual({ name, sentence, stands: true });
    const named = [...played.matchAll(/`(.*?)`/g)].map(([, act]) => act);
    expect(Object.keys(acts)).toEqual(expect.arrayContaining(named));
    expect(named.length > 0 || played.includes('all acts')).toBe(true);
  }
});

/** Without line breaks, bold letters and the targets of links. */
function asOneLine(markdown: string): string {
  return markdown
    .replaceAll('**', '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\s+/g, ' ');
}

test('a run writes its own part of the document and leaves the rest', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'interleavings-'));
  const file = pathToFileURL(join(folder, 'document.md'));
  await writeFile(file, '# Title\n');
  const runOf = (row: WholeRun['row'], server: string, strategy: WholeRun['strategy'] = 'single-user'): WholeRun => ({
    row,
    strategy,
    server,
    commit: '0123456',
    workers: 1,
    cores: 1,
    minutes: 1,
    date: '2000-01-01',
    absent: new Set(),
    results: [],
  });

  await writeDocument(file, runOf('postgres 18', 'PostgreSQL 18.0'));
  await writeDocument(file, runOf('postgres 15', 'PostgreSQL 15.0', 'alternating-users'));
  await writeDocument(file, runOf('postgres 18', 'PostgreSQL 18.1'));

  const document = await readFile(file, 'utf8');
  expect(document.match(/^#.*$/gm)).toEqual([
    '# Title',
    '## PostgreSQL 18.1, single user',
    '## PostgreSQL 15.0, alternating users',
  ]);
  await rm(folder, { recursive: true });
});
