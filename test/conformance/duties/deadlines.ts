/** Whatever is waited for ends in time, at the client and at the server: a client's own time-out does not stop a server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import { Deadline } from '../../../shared/core/deadline.ts';
import { type Bench, failure, testNone, type User } from '../bench.ts';
import type { Order } from '../change-password.ts';
import { eventually } from '../eventually.ts';
import { fakeServer, relay } from '../relay.ts';
import { isNone, LOCKS, type Lock, type LockName, type OrNone } from '../subject.ts';
import { newPassword } from '../unique.ts';

/** Of 36 s in all, a sixth is for statements, and a tenth of that for the server's answer to arrive, on a busy machine, too. */
const REMAINING = 36_000;
const STATEMENTS = 6000;

/** What happens while a user's session waits, and what comes of it. */
type Wait = (user: User) => Promise<void>;

export function deadlines(bench: Bench): void {
  const { subject, server } = bench;
  const waits: Record<string, Wait> = {};

  for (const name of LOCKS) {
    const lock = subject.locks[name];
    if (isNone(lock)) testNone(`a wait for ${name}`, lock);
    else Object.assign(waits, waitsFor(bench, name, lock));
  }

  const [ofRotation, ofAccount] = LOCKS.map((name) => subject.locks[name]) as [OrNone<Lock>, OrNone<Lock>];
  if (isNone(ofRotation)) testNone('a second wait', ofRotation);
  else if (isNone(ofAccount)) testNone('a second wait', ofAccount);
  else
    waits['leaves to the second wait what the first has left, on the server too'] = async (user) => {
      await using rotation = await ofRotation.hold(user.username);
      await using account = await ofAccount.hold(user.username);
      await using own = await bench.session(user, new Deadline(REMAINING));

      const changed = failure(bench.change(own, user.password, newPassword()));
      setTimeout(() => rotation.release(), 0.25 * STATEMENTS);
      const error = await changed;

      expect(error).toMatchObject({ name: 'DeadlineError', layer: 'deadline' });
      // The server's code: with as much time again as the first had, it would be silent when the client gives up.
      expect(error.code).toEqual(expect.any(String));
      expect(await bench.sessionsOf(user.username)).not.toContain('at work');
      await account.release();
    };

  waits['ends the wait for a server that has gone silent'] = async (user) => {
    await using wire = await relay(server);
    await using own = await bench.session(user, new Deadline(REMAINING), wire);
    wire.stall();
    const started = performance.now();

    const error = await failure(bench.change(own, user.password, newPassword()));

    expect(performance.now() - started).toBeLessThan(3 * STATEMENTS);
    expect(error).toMatchObject({ name: 'DeadlineError', layer: 'deadline', user: user.username, host: wire.host });
    expect(error.message).toContain('may have happened');
  };

  waits['ends the wait for a server that never speaks, and the connection'] = async () => {
    const closed: boolean[] = [];
    await using silent = await fakeServer((socket) => {
      const index = closed.push(false) - 1;
      socket.resume().on('close', () => (closed[index] = true));
    });
    const as = { username: 'nemo', password: newPassword() };
    const started = performance.now();

    const result = await bench.login(as, { host: silent.host, port: silent.port }, new Deadline(1500));

    expect(performance.now() - started).toBeLessThan(10_000);
    expect(result).toMatchObject({ is: 'unknown', why: { name: 'DeadlineError', user: 'nemo', host: silent.host } });
    expect(closed).not.toEqual([]);
    await eventually(async () => !closed.includes(false));
  };

  waits['ends the wait for a server that goes silent in the middle of the login'] = async (user) => {
    // Of what the client says, only the first reaches the server.
    await using first = await relay(server);
    await using mute = await fakeServer((near) => {
      const far = connect(first.port, first.host).on('error', () => {});
      near.once('data', (bytes) => far.write(bytes)).on('close', () => far.destroy());
      far.pipe(near);
    });

    const result = await bench.login(user, { host: mute.host, port: mute.port }, new Deadline(1500));

    expect(result).toMatchObject({ is: 'unknown', why: { layer: 'deadline', user: user.username, host: mute.host } });
    await eventually(() => bench.isGone(user.username, first));
  };

  testSideBySide(bench, waits);

  test('that has passed ends a login before it begins', async () => {
    await using user = await bench.user();

    await using wire = await relay(server);

    const result = await bench.login(user, { host: wire.host, port: wire.port }, new Deadline(0));

    expect(result).toMatchObject({ is: 'unknown', why: { layer: 'deadline', user: user.username, host: wire.host } });
    expect(await bench.isGone(user.username, wire)).toBe(true);
  });
}

/**
 * All begin with the first of them: they do nothing but wait. Their users are made before any begins and dropped after all have ended, as one that
 * holds the table of all accounts keeps others from doing so.
 */
function testSideBySide(bench: Bench, waits: Readonly<Record<string, Wait>>): void {
  const users = new AsyncDisposableStack();
  afterAll(() => users.disposeAsync());
  const begin = async () => {
    const begun = new Map<string, () => Promise<void>>();
    for (const [title, wait] of Object.entries(waits)) {
      const user = users.use(await bench.user());
      begun.set(title, () => wait(user));
    }
    return new Map([...begun].map(([title, wait]) => [title, Promise.allSettled([wait()])]));
  };
  let ended: ReturnType<typeof begin> | undefined;

  test.each(Object.keys(waits))('%s', async (title) => {
    ended ??= begin();
    const [result] = (await (await ended).get(title)) ?? [];
    if (result?.status === 'rejected') throw result.reason;
  });
}

function waitsFor(bench: Bench, name: LockName, lock: Lock): Record<string, Wait> {
  const { server } = bench;

  const ends: Wait = async (user) => {
    const to = newPassword();
    await using holder = await lock.hold(user.username);
    await using own = await bench.session(user, new Deadline(REMAINING));

    const error = await failure(bench.change(own, user.password, to));

    expect(await bench.sessionsOf(user.username)).not.toContain('at work');
    expect(error).toMatchObject({ name: 'DeadlineError', layer: 'deadline', user: user.username, host: server.host });
    expect(error.code).toBe(lock.code);
    expect(error.message).toContain(lock.says);
    await holder.release();
    await bench.expectUnchanged(user, to);
  };

  const endsOnServer: Wait = async (user) => {
    const to = newPassword();
    await using holder = await lock.hold(user.username);
    await using wire = await relay(server);
    const order: Order = {
      row: server.row,
      to: bench.endpoint({ host: wire.host, port: wire.port }),
      username: user.username,
      from: user.password.reveal(),
      next: to.reveal(),
      remaining: REMAINING,
    };
    const program = fileURLToPath(new URL('../change-password.ts', import.meta.url));
    const client = spawn(process.execPath, [program, JSON.stringify(order)], { stdio: 'ignore' });
    await eventually(async () => (await bench.sessionsOf(user.username)).includes('at work'));

    client.kill('SIGKILL');
    await once(client, 'exit');

    await eventually(() => bench.isGone(user.username, wire));
    await holder.release();
    await bench.expectUnchanged(user, to);
  };

  return {
    [`ends the wait for ${name}, on the server too`]: ends,
    [`holds on the server when the client is killed while it waits for ${name}`]: endsOnServer,
  };
}
