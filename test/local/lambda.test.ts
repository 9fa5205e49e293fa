import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Lambda, type LambdaOptions, NODE, WarmSandboxes } from '../../local/lambda.ts';
import { absent } from '../absent.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A function whose handler has this body. */
async function start(body: string, options: Partial<LambdaOptions> = {}): Promise<Lambda> {
  const bundle = join(folder, 'index.mjs');
  await writeFile(bundle, `export const handler = async (event, context) => {${body}}`);
  return Lambda.start({ bundle, ...options });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function eventually(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition() && tries < 200; tries++) await sleep(25);
  expect(condition()).toBe(true);
}

describe('a function of the local Lambda host', () => {
  test('answers one invocation after the other in the same process', async () => {
    await using lambda = await start('globalThis.n = (globalThis.n ?? 0) + 1; console.log(event.x, globalThis.n)');

    expect(await lambda.invoke({ x: 'a' })).toMatchObject({ outcome: 'success', ms: expect.any(Number) });
    expect(await lambda.invoke({ x: 'b' })).toMatchObject({ outcome: 'success' });
    expect(lambda.output).toBe('a 1\nb 2\n');
  });

  test('has written its output in full by the time it answers', async () => {
    const heard: string[] = [];
    await using lambda = await start("process.stdout.write('x'.repeat(1_000_000)); console.error('end')", {
      onOutput: (text) => heard.push(text),
    });

    await lambda.invoke({});

    expect(lambda.output.length).toBe(1_000_004);
    expect(heard.join('')).toBe(lambda.output);
  });

  test('sees its own variables and what Lambda sets, nothing of ours', async () => {
    process.env['OF_THE_PARENT'] = 'x';
    await using lambda = await start('console.log(JSON.stringify(process.env))', {
      environment: { PASSWORD_LENGTH: '20', AWS_REGION: 'reserved by Lambda' },
      credentials: { accessKeyId: 'id', secretAccessKey: 'key', sessionToken: 'token' },
    });

    await lambda.invoke({});

    const seen = JSON.parse(lambda.output);
    expect(Object.keys(seen).sort()).toEqual([
      ...['AWS_ACCESS_KEY_ID', 'AWS_DEFAULT_REGION', 'AWS_EXECUTION_ENV', 'AWS_LAMBDA_FUNCTION_MEMORY_SIZE'],
      ...['AWS_LAMBDA_FUNCTION_NAME', 'AWS_LAMBDA_FUNCTION_VERSION', 'AWS_LAMBDA_INITIALIZATION_TYPE'],
      ...['AWS_LAMBDA_LOG_GROUP_NAME', 'AWS_LAMBDA_LOG_STREAM_NAME', 'AWS_REGION', 'AWS_SECRET_ACCESS_KEY'],
      ...['AWS_SESSION_TOKEN', 'AWS_XRAY_CONTEXT_MISSING', 'AWS_XRAY_DAEMON_ADDRESS', 'LAMBDA_RUNTIME_DIR'],
      ...['LAMBDA_TASK_ROOT', 'LANG', 'PASSWORD_LENGTH', 'PATH', 'TZ', '_HANDLER'],
    ]);
    expect(seen).toMatchObject({ PASSWORD_LENGTH: '20', AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'id' });
  });

  test('reaches no package', async () => {
    await using lambda = await start(`
      await import('pg').catch((error) => console.log(error.code));
      await import(event.file).catch((error) => console.log(error.code));
      const { createRequire } = await import('module');
      try { createRequire(import.meta.url)(event.file) } catch (error) { console.log(error.code) }`);

    await lambda.invoke({ file: fileURLToPath(new URL('../../node_modules/pg/lib/defaults.js', import.meta.url)) });

    expect(lambda.output).toBe('ERR_MODULE_NOT_FOUND\n'.repeat(3));
  });

  test('gets the context that Lambda gives', async () => {
    await using lambda = await start(
      'console.log(JSON.stringify({ ...context, left: context.getRemainingTimeInMillis() }))',
      { timeoutMs: 5000 },
    );

    await lambda.invoke({});

    const { left, ...context } = JSON.parse(lambda.output);
    const functionName = context.functionName;
    expect(context).toEqual({
      awsRequestId: expect.stringMatching(/^[\da-f-]{36}$/),
      callbackWaitsForEmptyEventLoop: true,
      functionName: expect.stringMatching(/^rotate-/),
      functionVersion: '$LATEST',
      invokedFunctionArn: `arn:aws:lambda:us-east-1:123456789012:function:${functionName}`,
      logGroupName: `/aws/lambda/${functionName}`,
      logStreamName: expect.any(String),
      memoryLimitInMB: '256',
    });
    expect(left).toBeLessThanOrEqual(5000);
    expect(left).toBeGreaterThan(4000);
  });

  test('prints all that an error carries, as the real runtime does', async () => {
    await using lambda = await start(`
      const inner = Object.assign(new RangeError('inner'), { sql: 'the statement' });
      throw Object.assign(new TypeError('outer'), { password: 'visible', inner });`);

    expect(await lambda.invoke({})).toMatchObject({
      outcome: 'error',
      error: { errorType: 'TypeError', errorMessage: 'outer' },
    });

    expect(JSON.parse(lambda.output)).toMatchObject({
      errorType: 'TypeError',
      errorMessage: 'outer',
      password: 'visible',
      stack: expect.arrayContaining(['TypeError: outer']),
      inner: { errorType: 'RangeError', errorMessage: 'inner', sql: 'the statement' },
    });
  });

  test('prints type and message of an error that JSON cannot hold, and of a thrown string', async () => {
    await using lambda = await start("throw event.text ? 'plain' : Object.assign(new Error('big'), { n: 1n })");

    await lambda.invoke({});
    const { error } = await lambda.invoke({ text: true });

    expect(error).toEqual({ errorType: 'string', errorMessage: 'plain' });
    expect(lambda.output).toBe('{"errorType":"Error","errorMessage":"big"}\n"plain"\n');
  });

  test('survives an error and serves the next invocation', async () => {
    await using lambda = await start("if (event.fail) throw new Error('once')");

    expect((await lambda.invoke({ fail: true })).outcome).toBe('error');
    expect((await lambda.invoke({})).outcome).toBe('success');
  });

  test('is killed when its time is up', async () => {
    await using lambda = await start('console.log(1); for (;;);', { timeoutMs: 300 });

    expect(await lambda.invoke({})).toMatchObject({
      outcome: 'timeout',
      error: { errorType: 'Sandbox.Timedout', errorMessage: 'Task timed out after 0.30 seconds' },
    });
    expect(lambda.output).toBe('1\n');
    expect(isRunning(lambda.pid)).toBe(false);
  });

  test('takes an unhandled rejection or exception as its end', async () => {
    await using rejecting = await start(
      "Promise.reject(Object.assign(new Error('lost'), { sql: 's' })); await new Promise(() => setInterval(() => {}, 1e6))",
    );
    await using throwing = await start(
      "setTimeout(() => { throw new Error('thrown') }); await new Promise(() => setInterval(() => {}, 1e6))",
    );

    expect((await rejecting.invoke({})).outcome).toBe('crash');
    expect((await throwing.invoke({})).outcome).toBe('crash');

    expect(JSON.parse(rejecting.output)).toMatchObject({
      errorType: 'Runtime.UnhandledPromiseRejection',
      errorMessage: 'Error: lost',
      reason: { errorMessage: 'lost', sql: 's' },
    });
    expect(JSON.parse(throwing.output)).toMatchObject({ errorType: 'Error', errorMessage: 'thrown' });
  });

  test('crashes when killed, and stays dead', async () => {
    await using lambda = await start('console.log("here"); await new Promise(() => setInterval(() => {}, 1e6))');
    const underWay = lambda.invoke({});
    await eventually(() => lambda.output === 'here\n');

    lambda.kill();

    expect(await underWay).toMatchObject({ outcome: 'crash', error: { errorType: 'Runtime.ExitError' } });
    await lambda.exited;
    expect((await lambda.invoke({})).outcome).toBe('crash');
  });

  test('takes one invocation at a time', async () => {
    await using lambda = await start('await new Promise((resolve) => setTimeout(resolve, 50))');
    const first = lambda.invoke({});

    await expect(lambda.invoke({})).rejects.toThrow('busy');
    expect((await first).outcome).toBe('success');
  });

  test('that does not load says why', async () => {
    const bundle = join(folder, 'broken.mjs');
    await writeFile(bundle, "import 'no-such-package'; export const handler = 1;");

    await expect(Lambda.start({ bundle })).rejects.toThrow(/broken\.mjs does not load:[\s\S]*no-such-package/);
  });

  test('names its source in stack traces where the user asks Node for it', async () => {
    const bundle = join(folder, 'mapped.mjs');
    await writeFile(
      bundle,
      'export const handler = () => { throw new Error("x") };\n//# sourceMappingURL=mapped.mjs.map',
    );
    // One segment, "AAAA": the first column of the bundle is the first one of original.ts.
    await writeFile(
      `${bundle}.map`,
      JSON.stringify({ version: 3, sources: ['original.ts'], names: [], mappings: 'AAAA' }),
    );
    await using lambda = await Lambda.start({ bundle, environment: { NODE_OPTIONS: '--enable-source-maps' } });

    await lambda.invoke({});

    expect(lambda.output).toContain('original.ts:1:');
  });

  test('leaves no process behind', async () => {
    const lambda = await start('');
    await lambda.invoke({});

    await lambda.stop();

    expect(isRunning(lambda.pid)).toBe(false);
  });

  test('dies with a host that is killed', async () => {
    const bundle = join(folder, 'index.mjs');
    await writeFile(bundle, 'export const handler = () => new Promise(() => setInterval(() => {}, 1e6))');
    const host = spawn(process.execPath, [
      '--input-type=module',
      '--eval',
      `import { Lambda } from '${new URL('../../local/lambda.ts', import.meta.url)}';
       const lambda = await Lambda.start({ bundle: ${JSON.stringify(bundle)} });
       lambda.invoke({});
       console.log(lambda.pid);`,
    ]);
    const [line] = await host.stdout.take(1).toArray();
    const pid = Number(line);
    expect(isRunning(pid)).toBe(true);

    host.kill('SIGKILL');

    await eventually(() => !isRunning(pid));
  });
});

describe('a warm sandbox', () => {
  const WRITES =
    'globalThis.n = (globalThis.n ?? 0) + 1; console.log(n, Object.keys(process.env).sort().join(), process.env.OF)';

  test('has the module that the function before has loaded, and neither its variables nor its output', async () => {
    await using warm = new WarmSandboxes();
    const first = await start(WRITES, { warm, environment: { OF: 'first', ONLY_OF_FIRST: 'x' } });
    await first.invoke({});
    await first.stop();
    await using cold = await start(WRITES, { environment: { OF: 'cold' } });
    await cold.invoke({});

    const second = await start(WRITES, { warm, environment: { OF: 'second' } });
    await second.invoke({});
    await second.stop();

    expect(second.pid).toBe(first.pid);
    expect(first.output).toMatch(/^1 .*ONLY_OF_FIRST.* first\n$/);
    expect(second.output).toBe(cold.output.replace(/^1/, '2').replace('cold', 'second'));
  });

  test('is no stopped function’s any more', async () => {
    await using warm = new WarmSandboxes();
    const first = await start('', { warm });
    await first.stop();
    const second = await start('', { warm });

    first.kill();
    await first.stop();

    expect((await first.invoke({})).outcome).toBe('crash');
    expect((await second.invoke({})).outcome).toBe('success');
    await second.stop();
  });

  test('is none that was killed, has crashed, or is at work', async () => {
    await using warm = new WarmSandboxes();
    const atWork = await start('await new Promise(() => setInterval(() => {}, 1e6))', { warm });
    const underWay = atWork.invoke({});
    await atWork.stop();
    const crashed = await start('process.exit(1)', { warm });
    await crashed.invoke({});
    await crashed.stop();
    const killed = await start('', { warm });
    killed.kill();
    await killed.stop();

    await using next = await start('', { warm });

    expect((await underWay).outcome).toBe('crash');
    for (const { pid } of [atWork, crashed, killed]) {
      expect(next.pid).not.toBe(pid);
      expect(isRunning(pid)).toBe(false);
    }
  });

  test('is one of the same bundle, and runs one function at a time', async () => {
    await using warm = new WarmSandboxes();
    const other = join(folder, 'other.mjs');
    await writeFile(other, 'export const handler = () => {};');
    const first = await start('', { warm });
    await first.stop();

    const second = await Lambda.start({ bundle: other, warm });
    const third = await start('', { warm });
    const fourth = await start('', { warm });

    expect(third.pid).toBe(first.pid);
    expect(new Set([first, second, fourth].map(({ pid }) => pid)).size).toBe(3);
    for (const each of [second, third, fourth]) await each.stop();
  });

  test('ends with the others', async () => {
    let pid: number;
    {
      await using warm = new WarmSandboxes();
      const lambda = await start('', { warm });
      await lambda.stop();
      pid = lambda.pid;
      expect(isRunning(pid)).toBe(true);
    }
    expect(isRunning(pid)).toBe(false);
  });
});

const python = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((directory) => join(directory, 'python3'))
  .find((file) => existsSync(file));
describe('a function in Python', () => {
  if (python === undefined) return absent('python3', 'install Python 3');
  const runtime = {
    command: python,
    program: fileURLToPath(new URL('../../local/lambda-runtime.py', import.meta.url)),
    handler: 'lambda_handler',
  };

  test('is invoked, logs and fails as one in Node', async () => {
    const bundle = join(folder, 'lambda_function.py');
    const lines = [
      'import logging, os',
      'logging.getLogger().setLevel(logging.INFO)',
      'def lambda_handler(event, context):',
      '    logging.getLogger().info("%s %s %s", event["x"], os.environ["PASSWORD_LENGTH"], context.get_remaining_time_in_millis() > 9000)',
      '    if event["x"] == "bad": raise ValueError("no such x")',
    ];
    await writeFile(bundle, lines.join('\n'));
    await using lambda = await Lambda.start({
      bundle,
      runtime,
      environment: { PASSWORD_LENGTH: '20' },
      timeoutMs: 10_000,
    });

    expect(await lambda.invoke({ x: 'good' })).toMatchObject({ outcome: 'success' });
    expect(await lambda.invoke({ x: 'bad' })).toMatchObject({
      outcome: 'error',
      error: { errorType: 'ValueError', errorMessage: 'no such x' },
    });
    expect(lambda.output).toMatch(/^good 20 True\nbad 20 True\nTraceback /);
  });

  test('that does not load says why', async () => {
    const bundle = join(folder, 'broken.py');
    await writeFile(bundle, 'import no_such_module');

    await expect(Lambda.start({ bundle, runtime })).rejects.toThrow(/does not load:.*no_such_module/s);
  });
});

test('a process that compiles anew leaves no compiled code behind', async () => {
  const own = await mkdtemp(join(folder, 'anew-'));
  const bundle = join(own, 'index.mjs');
  await writeFile(bundle, 'export const handler = async () => {};');

  await using _ = await Lambda.start({ bundle, runtime: NODE });
  expect(await readdir(own)).toEqual(['index.mjs']);
  await using __ = await Lambda.start({ bundle });
  expect(await readdir(own)).toEqual(['.compile-cache', 'index.mjs']);
});
