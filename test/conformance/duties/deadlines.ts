/** Whatever is waited for ends in time, at the client and at the server: a client's own time-out does not stop a server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { Deadline } from '../../../shared/deadline.ts';
import { type Bench, eventually, failure, newPassword } from '../bench.ts';
import type { Order } from '../change-password.ts';
import { fakeServer, relay } from '../relay.ts';
import { LOCKS } from '../subject.ts';

/** Of 12 s in all, a sixth is for statements. */
const REMAINING = 12_000;
const STATEMENTS = 2000;

export function deadlines(bench: Bench): void {
  const { subject, server } = bench;

  for (const name of LOCKS) {
    const lock = subject.locks[name];

    test(`ends the wait for ${name}, on the server too`, async () => {
      await using user = await bench.user();
      const to = newPassword();
      await using holder = await lock.hold(user.username);
      await using own = await bench.session(user, new Deadline(REMAINING));

      const error = await failure(bench.change(own, user.password, to));

      expect(await subject.sessionsOf(user.username)).not.toContain('at work');
      expect(error).toMatchObject({ name: 'DeadlineError', layer: 'deadline', user: user.username, host: server.host });
      expect(error.code).toBe(lock.code);
      expect(error.message).toContain('nothing was changed');
      await holder.release();
      await bench.expectUnchanged(user, to);
    });

    test(`holds on the server when the client is killed while it waits for ${name}`, async () => {
      await using user = await bench.user();
      const to = newPassword();
      await using holder = await lock.hold(user.username);
      const order: Order = {
        row: server.row,
        to: bench.endpoint(),
        username: user.username,
        from: user.password.reveal(),
        next: to.reveal(),
        remaining: REMAINING,
      };
      const program = fileURLToPath(new URL('../change-password.ts', import.meta.url));
      const client = spawn(process.execPath, [program, JSON.stringify(order)], { stdio: 'ignore' });
      await eventually(async () => (await subject.sessionsOf(user.username)).includes('at work'));

      client.kill('SIGKILL');
      await once(client, 'exit');

      await eventually(() => bench.isGone(user.username));
      await holder.release();
      await bench.expectUnchanged(user, to);
    });
  }

  test('leaves to the second wait what the first has left, on the server too', async () => {
    await using user = await bench.user();
    await using rotation = await subject.locks['the lock of another rotation'].hold(user.username);
    await using account = await subject.locks['another session’s hold on the account'].hold(user.username);
    await using own = await bench.session(user, new Deadline(REMAINING));

    const changed = failure(bench.change(own, user.password, newPassword()));
    setTimeout(() => rotation.release(), 0.25 * STATEMENTS);
    const error = await changed;

    expect(error).toMatchObject({ name: 'DeadlineError', layer: 'deadline' });
    // The server's code: with as much time again as the first had, it would be silent when the client gives up.
    expect(error.code).toEqual(expect.any(String));
    expect(await subject.sessionsOf(user.username)).not.toContain('at work');
    await account.release();
  });

  test('ends the wait for a server that has gone silent', async () => {
    await using user = await bench.user();
    await using wire = await relay(server);
    await using own = await bench.session(user, new Deadline(REMAINING), wire);
    wire.stall();
    const started = performance.now();

    const error = await failure(bench.change(own, user.password, newPassword()));

    expect(performance.now() - started).toBeLessThan(3 * STATEMENTS);
    expect(error).toMatchObject({ name: 'DeadlineError', layer: 'deadline', user: user.username, host: wire.host });
    expect(error.message).toContain('may have happened');
  });

  test('ends the wait for a server that never speaks, and the connection', async () => {
    let closed = false;
    await using silent = await fakeServer((socket) => socket.resume().on('close', () => (closed = true)));
    const as = { username: 'nemo', password: newPassword() };
    const started = performance.now();

    const result = await bench.login(as, { host: silent.host, port: silent.port }, new Deadline(1500));

    expect(performance.now() - started).toBeLessThan(10_000);
    expect(result).toMatchObject({ is: 'unknown', why: { name: 'DeadlineError', user: 'nemo', host: silent.host } });
    await eventually(async () => closed);
  });

  test('ends the wait for a server that goes silent in the middle of the login', async () => {
    await using user = await bench.user();
    // Of what the client says, only the first reaches the server.
    await using mute = await fakeServer((near) => {
      const far = connect(server.port, server.host).on('error', () => {});
      near.once('data', (bytes) => far.write(bytes)).on('close', () => far.destroy());
      far.pipe(near);
    });

    const result = await bench.login(user, { host: mute.host, port: mute.port }, new Deadline(1500));

    expect(result).toMatchObject({ is: 'unknown', why: { layer: 'deadline', user: user.username, host: mute.host } });
    await eventually(() => bench.isGone(user.username));
  });

  test('that has passed ends a login before it begins', async () => {
    await using user = await bench.user();

    const result = await bench.login(user, {}, new Deadline(0));

    expect(result).toMatchObject({ is: 'unknown', why: { layer: 'deadline', user: user.username, host: server.host } });
    expect(await subject.sessionsOf(user.username)).toEqual([]);
  });
}
