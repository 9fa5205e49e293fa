/**
 * What can go wrong in setSecret for a single user, on a real server with the built function. Statements of a killed attempt that arrive
 * late are the crash matrix's.
 */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { ServiceError } from '../../../local/secrets-manager/errors.ts';
import { connect } from '../../engines/postgres/connection.ts';
import { describeOwnServers, describeServers, testWithLog } from '../../servers.ts';
import { proxy } from '../proxy.ts';
import { type Json, newPassword, Rotating, type RotatingOptions } from '../rotating.ts';

const DENIED = new ServiceError(
  'AccessDeniedException',
  'not authorized to perform: secretsmanager:UpdateSecretVersionStage',
);

/** Its admin logs in to another database than the user. */
const BY_ADMIN_ELSEWHERE: RotatingOptions = {
  admin: { madeTheUser: true, secret: { dbname: 'template1' } },
  environment: { DEFAULT_STRATEGY: 'single-user-by-admin', ADMIN_MAY_SET_PASSWORDS: 'true' },
};

/** Rotates as far as setSecret, so that the pending password is the one that works. */
async function changedButNotPromoted(rotating: Rotating): Promise<string> {
  rotating.manager.hooks = {
    before: ({ operation }) => (operation === 'UpdateSecretVersionStage' ? DENIED : undefined),
  };
  const { token } = await rotating.rotate();
  rotating.manager.hooks = {};
  expect(rotating.labels[token]).toEqual(['AWSPENDING']);
  expect(await rotating.logsIn(rotating.password(token))).toBe(true);
  expect(await rotating.logsIn(rotating.password())).toBe(false);
  return token;
}

function cancel(rotating: Rotating): void {
  rotating.manager.store.cancelRotateSecret({ SecretId: 'app' });
}

function removePendingLabel(rotating: Rotating, token: string): void {
  rotating.manager.store.updateSecretVersionStage({
    SecretId: 'app',
    VersionStage: 'AWSPENDING',
    RemoveFromVersionId: token,
  });
}

/** Failed logins of the user in the server's own log. */
async function failedLogins(rotating: Rotating, log: Promise<string>): Promise<number> {
  return (await log).match(new RegExp(`authentication failed for user "${rotating.user}"`, 'g'))?.length ?? 0;
}

/** The message ends with it; the isolation level READ COMMITTED does not. */
const COMMIT = 'COMMIT\0';

describeServers('postgres', 'setSecret', (server) => {
  test('killed after the commit and before its answer: the next attempt finishes without a person', async () => {
    let committing = false;
    let killed = false;
    const kill: { now?: () => void } = {};
    await using between = await proxy(server, (from, bytes) => {
      if (from === 'client' && bytes.includes(COMMIT)) committing = true;
      if (from === 'server' && committing && !killed) {
        killed = true;
        kill.now?.();
      }
    });
    await using rotating = await Rotating.on(server, { secret: between.endpoint });
    kill.now = () => rotating.processes.at(-1)?.kill();
    const before = rotating.password();

    const { succeeded, token, attempts } = await rotating.rotate({
      attempts: 2,
      onStep: {
        after: async (step, attempt) => {
          if (step !== 'setSecret' || attempt !== 1) return;
          expect(await rotating.logsIn(before)).toBe(false);
          expect(await rotating.logsIn(rotating.password('AWSPENDING'))).toBe(true);
        },
      },
    });

    expect(attempts[0]?.steps.at(-1)).toMatchObject({ step: 'setSecret', outcome: 'crash' });
    expect(succeeded).toBe(true);
    await rotating.expectComplete(token);
  });

  test('twice at once: both end well', async () => {
    await using rotating = await Rotating.on(server);
    const token = rotating.begin();
    await rotating.step('createSecret', token);
    const both = await Promise.all([rotating.step('setSecret', token), rotating.step('setSecret', token)]);
    expect(both.map(({ outcome }) => outcome)).toEqual(['success', 'success']);
    await rotating.expectRotated();
  });

  test('calls no function of somebody else’s: one in public that fits better than the server’s own', async () => {
    const dbname = `db_${randomBytes(6).toString('hex')}`;
    await using rotating = await Rotating.on(server, { secret: { dbname } });
    await rotating.sql(`CREATE DATABASE ${dbname}`);
    {
      await using there = await connect({ ...server, database: dbname });
      for (const type of ['int', 'bigint'])
        await there.query(
          `CREATE FUNCTION public.hashtextextended(text, ${type}) RETURNS bigint LANGUAGE plpgsql ` +
            `AS 'BEGIN RAISE EXCEPTION ''caught''; END'`,
        );
    }
    await rotating.expectRotated();
    await rotating.sql(`DROP DATABASE ${dbname} WITH (FORCE)`);
  });

  test.each<[string, RotatingOptions, Json]>([
    ['AWSCURRENT is edited', {}, { note: 'edited' }],
    ['AWSCURRENT gets another database to log in to', {}, { dbname: 'template1' }],
    ['AWSCURRENT is edited, and an admin of another database makes the change', BY_ADMIN_ELSEWHERE, { note: 'edited' }],
  ])(
    'on its way to the commit while %s: a labelled version logs in whatever comes first',
    async (_, options, changes) => {
      const held = Promise.withResolvers<void>();
      const atCommit = Promise.withResolvers<void>();
      let locks = 0;
      await using between = await proxy(server, async (from, bytes) => {
        if (from !== 'client') return;
        if (bytes.includes('BEGIN') && ++locks === 2) setTimeout(held.resolve, 2000);
        if (!bytes.includes(COMMIT) || locks !== 1) return;
        atCommit.resolve();
        await held.promise;
      });
      const { admin, ...others } = options;
      const secret = { ...admin?.secret, ...between.endpoint };
      await using rotating = await Rotating.on(server, {
        ...others,
        secret: between.endpoint,
        ...(admin && { admin: { ...admin, secret } }),
      });
      const token = rotating.begin();
      await rotating.step('createSecret', token);
      const setting = rotating.step('setSecret', token);
      await atCommit.promise;
      rotating.edit(changes);
      const creating = rotating.step('createSecret', token);
      await Promise.race([creating, held.promise]);
      held.resolve();
      await Promise.all([setting, creating]);

      const labelled = Object.keys(rotating.labels).filter((id) =>
        rotating.labels[id]?.some((label) => ['AWSCURRENT', 'AWSPENDING'].includes(label)),
      );
      const logins = await Promise.all(labelled.map((id) => rotating.logsIn(rotating.password(id))));
      expect(logins).toContain(true);
      await rotating.rotate({ attempts: 2 });
      await rotating.expectRotated();
      expect(rotating.value()).toMatchObject(changes);
    },
  );

  test('cancelled after the change and started again', async () => {
    await using rotating = await Rotating.on(server);
    const token = await changedButNotPromoted(rotating);
    cancel(rotating);
    expect((await rotating.step('createSecret', token)).error?.errorType).toBe('RotationDisabledError');

    const again = await rotating.rotate();

    expect(again).toMatchObject({ succeeded: true, token });
    await rotating.expectComplete(token);
  });

  test('cancelled in mid-rotation is gone on with: stopping half way would be worse', async () => {
    await using rotating = await Rotating.on(server);
    const token = await changedButNotPromoted(rotating);
    cancel(rotating);
    for (const step of ['testSecret', 'finishSecret'])
      expect(await rotating.step(step, token)).toMatchObject({ outcome: 'success' });
    expect(rotating.labels[token]).toContain('AWSCURRENT');
    expect(await rotating.logsIn(rotating.password())).toBe(true);
  });

  test('cancelled, label removed, new token, with another password in AWSPREVIOUS and after two abandoned tokens', async () => {
    await using rotating = await Rotating.on(server);
    await rotating.rotate(); // now there is an AWSPREVIOUS, of another password
    const first = await changedButNotPromoted(rotating);
    cancel(rotating);
    removePendingLabel(rotating, first);
    const second = rotating.begin();
    await rotating.step('createSecret', second); // abandoned before it reached the database
    cancel(rotating);
    removePendingLabel(rotating, second);
    expect(await rotating.logsIn(rotating.password())).toBe(false);

    const { succeeded, token } = await rotating.rotate();

    expect(succeeded).toBe(true);
    await rotating.expectComplete(token);
    expect([first, second]).not.toContain(token);
  });

  test('finds what works behind a version that cannot be decrypted any more', async () => {
    await using rotating = await Rotating.on(server);
    const first = await changedButNotPromoted(rotating);
    removePendingLabel(rotating, first);
    const second = rotating.begin();
    await rotating.step('createSecret', second); // abandoned before it reached the database
    removePendingLabel(rotating, second);
    const undecryptable = (id: string): void => {
      const denied = new ServiceError('DecryptionFailure', 'Secrets Manager can’t decrypt the protected secret text.');
      rotating.manager.hooks = {
        before: ({ operation, request }) =>
          operation === 'GetSecretValue' && request['VersionId'] === id ? denied : undefined,
      };
    };
    undecryptable(first);
    const { error, token } = await rotating.rotate();
    expect(error).toMatch(/LoginRefusedError.*3 tried, 1 that cannot be read \(DecryptionFailure\)/);

    undecryptable(second);
    const { succeeded } = await rotating.rotate({ token });

    expect(succeeded).toBe(true);
    await rotating.expectComplete(token);
  });

  test('finds that AWSPREVIOUS is what works: the database was restored', async () => {
    await using rotating = await Rotating.on(server);
    await rotating.rotate();
    await rotating.setPassword(rotating.password('AWSPREVIOUS'));
    const { succeeded, token } = await rotating.rotate();
    expect(succeeded).toBe(true);
    await rotating.expectComplete(token);
  });

  testWithLog(server)(
    'tries at most four passwords so that the account is not locked, and says how many versions remain',
    async () => {
      await using rotating = await Rotating.on(server);
      for (let i = 0; i < 5; i++) rotating.edit({ password: newPassword() });
      await rotating.setPassword('known to nobody');
      const { error } = await rotating.rotate();
      expect(error).toMatch(
        /LoginRefusedError.*\(4 tried, 3 versions left for the next attempts so that the account is not locked\)/,
      );
      expect(await failedLogins(rotating, server.log())).toBe(4);
    },
  );

  testWithLog(server)('does not try versions of another user, host or port, nor a password twice', async () => {
    await using rotating = await Rotating.on(server);
    const { password } = rotating.value();
    for (const change of [{ username: 'other' }, { host: 'localhost' }, { port: 1 }, { note: 'same password' }])
      rotating.edit({ ...change, password: 'note' in change ? password : newPassword() });
    rotating.edit({ username: rotating.user, host: server.host, port: server.port, password });
    await rotating.setPassword('known to nobody');
    const { error } = await rotating.rotate();
    expect(error).toMatch(/LoginRefusedError.*\(2 tried\)/);
    expect(await failedLogins(rotating, server.log())).toBe(2);
  });

  test('names a network fault, changes nothing, and the next attempt finishes', async () => {
    let cut = true;
    await using between = await proxy(server, (from, bytes) => {
      if (cut && from === 'client' && bytes.includes('SCRAM-SHA-256')) throw new Error('cut');
    });
    between.on('connection', (socket) => cut && socket.destroy());
    await using rotating = await Rotating.on(server, { secret: between.endpoint });
    const { error } = await rotating.rotate();
    expect(error).toMatch(
      /setSecret: error, ConnectionError: The connection to 127\.0\.0\.1:\d+ .*was closed before the login was over/,
    );
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    cut = false;
    const { succeeded, token } = await rotating.rotate();
    expect(succeeded).toBe(true);
    await rotating.expectComplete(token);
  });

  test('waits for a database that is asleep', async () => {
    await using between = await proxy(server, async (from) => {
      if (from === 'client') await sleep(300);
    });
    await using rotating = await Rotating.on(server, { secret: between.endpoint });
    await rotating.expectRotated();
  });

  test.each<[string, (rotating: Rotating) => void, string]>([
    ['AWSCURRENT moves', (rotating) => rotating.edit({ note: 'edited' }), 'PendingMismatchError'],
    ['rotation is cancelled', cancel, 'RotationDisabledError'],
  ])(
    'looks at the labels again if the login took long: %s meanwhile, and nothing is changed',
    async (_, meanwhile, kind) => {
      const state: { rotating?: Rotating } = {};
      await using between = await proxy(server, async (from) => {
        const { rotating } = state;
        if (from !== 'server' || rotating === undefined) return;
        delete state.rotating;
        await sleep(1200);
        meanwhile(rotating);
      });
      await using rotating = await Rotating.on(server, { secret: between.endpoint });
      const before = rotating.password();
      state.rotating = rotating;
      const { attempts } = await rotating.rotate();
      expect(attempts[0]?.steps.at(-1)).toMatchObject({ step: 'setSecret', error: { errorType: kind } });
      expect(await rotating.logsIn(before)).toBe(true);
    },
  );

  test('frozen between login and change gives up, and the next attempt finishes', async () => {
    const state: { rotating?: Rotating } = {};
    await using between = await proxy(server, async (from, bytes) => {
      const pid = state.rotating?.processes.at(-1)?.pid;
      if (from !== 'client' || pid === undefined || !bytes.includes('BEGIN')) return;
      delete state.rotating;
      process.kill(pid, 'SIGSTOP');
      await sleep(3000);
      process.kill(pid, 'SIGCONT');
    });
    await using rotating = await Rotating.on(server, { secret: between.endpoint, timeoutMs: 6000 });
    state.rotating = rotating;
    const { error, token } = await rotating.rotate();
    expect(error).toMatch(/setSecret: error, DeadlineError/);
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    expect(await rotating.rotate()).toMatchObject({ succeeded: true, token });
    await rotating.expectComplete(token);
  });

  test.each([
    ['NOLOGIN', 'LOGIN', /LoginBarredError.*has no LOGIN/],
    ["VALID UNTIL '2020-01-01'", "VALID UNTIL 'infinity'", /LoginRefusedError.*it has expired/],
    ['CONNECTION LIMIT 0', 'CONNECTION LIMIT -1', /LoginBarredError.*CONNECTION LIMIT/],
  ])(
    'with the user %s: said by name, nothing changed, and finished once the user is back',
    async (bar, lift, message) => {
      await using rotating = await Rotating.on(server);
      await rotating.sql(`ALTER ROLE ${rotating.user} ${bar}`);
      const stored = () => rotating.sql('SELECT rolpassword FROM pg_authid WHERE rolname = $1', [rotating.user]);
      const before = await stored();

      const { error, token } = await rotating.rotate();

      expect(error).toMatch(message);
      expect(await stored()).toEqual(before);
      expect(rotating.labels[token]).toEqual(['AWSPENDING']);
      await rotating.sql(`ALTER ROLE ${rotating.user} ${lift}`);
      expect(await rotating.rotate()).toMatchObject({ succeeded: true, token });
      await rotating.expectComplete(token);
    },
  );

  test('before the user exists: says so, and finishes once it does', async () => {
    await using rotating = await Rotating.on(server, { withoutUser: true });
    const { error, token } = await rotating.rotate();
    expect(error).toMatch(/LoginRefusedError.*there is no such user/);
    await rotating.sql(`CREATE ROLE ${rotating.user} LOGIN PASSWORD '${rotating.password()}'`);
    expect(await rotating.rotate()).toMatchObject({ succeeded: true, token });
    await rotating.expectComplete(token);
  });

  test('with a setting of the role in its way (role, read-only, asynchronous commit)', async () => {
    await using rotating = await Rotating.on(server);
    const { user } = rotating;
    await rotating.sql(`CREATE ROLE ${user}_owner`);
    await rotating.sql(`GRANT ${user}_owner TO ${user}`);
    await rotating.sql(`ALTER ROLE ${user} SET role = '${user}_owner'`);
    await rotating.sql(`ALTER ROLE ${user} SET default_transaction_read_only = on`);
    await rotating.sql(`ALTER ROLE ${user} SET synchronous_commit = off`);
    await rotating.expectRotated();
    await rotating.sql(`DROP ROLE ${user}_owner`);
  });

  test('after AWSCURRENT was edited following the change: AWSCURRENT is made to work, and the next rotation is whole', async () => {
    await using rotating = await Rotating.on(server);
    const result = await rotating.rotate({
      attempts: 2,
      onStep: { after: (step, attempt) => step === 'setSecret' && attempt === 1 && rotating.edit({ note: 'edited' }) },
    });
    expect(result.error).toMatch(/PendingGivenUpError/);
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    await rotating.expectRotated();
    expect(rotating.value()).toMatchObject({ note: 'edited' });
  });

  test('never takes the label off the only password that works', async () => {
    await using rotating = await Rotating.on(server);
    const token = await changedButNotPromoted(rotating);
    // Neither AWSCURRENT nor the pending version, which fits no longer, can be made to work.
    rotating.edit({ note: 'edited' });
    await rotating.setPassword('known to nobody');
    const { error } = await rotating.rotate();
    expect(error).toMatch(/LoginRefusedError.*AWSPENDING is left as it is/);
    expect(rotating.labels[token]).toEqual(['AWSPENDING']);
  });
});

describeServers('postgres', 'after the change, the old password', (server) => {
  /** Runs `interfere` once, after the commit and before the function hears of it. */
  async function rotatingWith(interfere: (rotating: Rotating) => Promise<unknown>, timeoutMs?: number) {
    const state: { rotating?: Rotating; committing: boolean; done: boolean } = { committing: false, done: false };
    const between = await proxy(server, async (from, bytes) => {
      if (from === 'client' && bytes.includes(COMMIT)) state.committing = true;
      if (from !== 'server' || !state.committing || state.done || state.rotating === undefined) return;
      state.done = true;
      await interfere(state.rotating);
    });
    state.rotating = await Rotating.on(server, { secret: between.endpoint, ...(timeoutMs && { timeoutMs }) });
    return { rotating: state.rotating, between };
  }

  test('is put back if the server refuses the new one', async () => {
    const { rotating, between } = await rotatingWith((r) => r.sql(`ALTER ROLE ${r.user} VALID UNTIL '2020-01-01'`));
    await using _ = between;
    await using __ = rotating;
    const { error, token } = await rotating.rotate();
    expect(error).toMatch(/setSecret: error, LoginRefusedError: .*the old one was put back/);
    await rotating.sql(`ALTER ROLE ${rotating.user} VALID UNTIL 'infinity'`);
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    expect(await rotating.logsIn(rotating.password(token))).toBe(false);
    expect(await rotating.rotate()).toMatchObject({ succeeded: true, token });
    await rotating.expectComplete(token);
  });

  test('is not put back once the new version has been promoted', async () => {
    const { rotating, between } = await rotatingWith(async (r) => {
      await r.sql(`ALTER ROLE ${r.user} VALID UNTIL '2020-01-01'`);
      const [[pending = ''] = [], [current] = []] = ['AWSPENDING', 'AWSCURRENT'].map((label) =>
        Object.entries(r.labels).find(([, labels]) => labels.includes(label)),
      );
      r.manager.store.updateSecretVersionStage({
        SecretId: 'app',
        VersionStage: 'AWSCURRENT',
        MoveToVersionId: pending,
        ...(current !== undefined && { RemoveFromVersionId: current }),
      });
    });
    await using _ = between;
    await using __ = rotating;
    await rotating.rotate();
    await rotating.sql(`ALTER ROLE ${rotating.user} VALID UNTIL 'infinity'`);
    expect(await rotating.logsIn(rotating.password())).toBe(true);
  });

  test('is not put back after a time-out, which says nothing about the new one', async () => {
    let silent = false;
    const { rotating, between } = await rotatingWith(async () => {
      silent = true;
    }, 6000);
    between.on('connection', (socket) => silent && socket.pause());
    await using _ = between;
    await using __ = rotating;
    const { error, token } = await rotating.rotate();
    expect(error).toMatch(/setSecret: error, DeadlineError/);
    expect(await rotating.logsIn(rotating.password(token))).toBe(true);
    silent = false;
    expect(await rotating.rotate()).toMatchObject({ succeeded: true, token });
    await rotating.expectComplete(token);
  });
});

await describeOwnServers('postgres', 'setSecret, on a server of its own,', {}, (server) => {
  test('is finished by a later attempt when the server restarts in mid-step', async () => {
    let restarted: Promise<void> | undefined;
    await using between = await proxy(server, async (from, bytes) => {
      if (restarted || from !== 'client' || !bytes.includes('ALTER ROLE')) return;
      restarted = server.restart();
      await restarted;
    });
    await using rotating = await Rotating.on(server, { secret: between.endpoint });
    const { succeeded, token, attempts, error } = await rotating.rotate({
      attempts: 2,
      onStep: { before: (_step, attempt) => attempt === 2 && restarted },
    });
    expect(error).toBeUndefined();
    expect(restarted).toBeDefined();
    expect(attempts[0]?.steps.at(-1)?.error?.errorType).toBe('ConnectionError');
    expect(succeeded).toBe(true);
    await rotating.expectComplete(token);
  });
});
