import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from '@jest/globals';
import { isGone, OWNER_VARIABLE, thisProcess } from '../../local/owner.ts';
import { containerLog } from '../../local/servers/docker.ts';
import type { ServerDescription, SourceName } from '../../local/servers/server.ts';
import { connect } from '../engines/postgres/connection.ts';
import type { RowName } from '../engines/servers.ts';
import { servers, testUnless } from '../servers.ts';

const folder = new URL('../../local/servers/', import.meta.url);
const nobody = 65534;
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGTERM');
});

/** A program of its own, as it would be without the owner that this test run hands down. */
function program(source: string, uid?: number): ChildProcess {
  const { [OWNER_VARIABLE]: _, ...env } = process.env;
  const identity = uid === undefined ? {} : { uid, gid: uid };
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    ...identity,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
}

/** A program that starts a server and would stop it in an hour. */
async function owner(row: RowName, from: SourceName, uid?: number): Promise<[ChildProcess, ServerDescription]> {
  const child = program(
    `import { startServer } from '${new URL('server.ts', folder)}';
     console.log(JSON.stringify(await startServer('${row}', { from: ['${from}'] })));
     setTimeout(() => {}, 3_600_000);`,
    uid,
  );
  const [line] = (await child.stdout?.take(1).toArray()) ?? [];
  return [child, JSON.parse(line)];
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown[]> {
  const exit = once(child, 'exit');
  child.kill(signal);
  return exit;
}

async function nextRun(): Promise<void> {
  const run = program(`import { prepareRun } from '${new URL('leftovers.ts', folder)}'; await prepareRun();`);
  expect(await once(run, 'exit')).toEqual([0, null]);
}

async function isUp(server: ServerDescription): Promise<boolean> {
  try {
    await using client = await connect(server);
    return (await client.query('SELECT')).rowCount === 1;
  } catch (error) {
    expect(error).toMatchObject({ code: 'ECONNREFUSED' }); // anything else means that something is still there
    return false;
  }
}

/** Its data and log, or its container. */
async function hasTraces({ logPlace }: ServerDescription): Promise<boolean> {
  if ('file' in logPlace) return existsSync(dirname(logPlace.file));
  if ('unreadable' in logPlace) throw new Error(logPlace.unreadable);
  return containerLog(logPlace.container).then(
    () => true,
    () => false,
  );
}

const shared = servers['postgres 18'];
const hasDocker = 'source' in shared && shared.source.startsWith('Docker');

describe.each(['docker', 'embedded'] as const)('a server from %s', (from) => {
  const testFrom = testUnless(from === 'docker' && !hasDocker ? 'this run does not use Docker' : undefined);

  testFrom('is removed after Ctrl-C', async () => {
    const [child, server] = await owner('postgres 18', from);
    expect(await isUp(server)).toBe(true);

    expect(await end(child, 'SIGINT')).toEqual([130, null]);

    expect(await isUp(server)).toBe(false);
    expect(await hasTraces(server)).toBe(false);
  });

  testFrom(
    'is left alone by other runs while its owner lives, and removed by the next one after its owner was killed',
    async () => {
      const [child, server] = await owner('postgres 18', from);
      await nextRun();
      expect(await isUp(server)).toBe(true);

      await end(child, 'SIGKILL');
      expect(await isUp(server)).toBe(true);
      await nextRun();

      expect(await isUp(server)).toBe(false);
      expect(await hasTraces(server)).toBe(false);
    },
  );
});

/** Why this process cannot start others as nobody. */
function whyNotAsNobody(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can become another user';
  const readable = spawnSync('ls', [process.execPath, fileURLToPath(folder)], { uid: nobody, gid: nobody });
  return readable.status === 0 ? undefined : 'an ordinary user cannot read this folder';
}

testUnless(whyNotAsNobody())('an ordinary user can start servers and leaves nothing behind', async () => {
  const [child, server] = await owner('postgres 18', 'embedded', nobody);
  expect(await isUp(server)).toBe(true);

  expect(await end(child, 'SIGTERM')).toEqual([143, null]);

  expect(await hasTraces(server)).toBe(false);
});

describe('an owner', () => {
  const [pid, started, machine] = thisProcess.split('-');

  test('is there as long as its process', () => {
    expect(isGone(thisProcess)).toBe(false);
    expect(isGone(`${2 ** 30}-${started}-${machine}`)).toBe(true);
  });

  test('is gone when another process has its id', () => {
    expect(isGone(`${pid}-earlier-${machine}`)).toBe(true);
  });

  test('on another machine is not ours to judge', () => {
    expect(isGone(`${pid}-${started}-elsewhere`)).toBe(false);
  });
});
