/** One user with two valid passwords, on real servers with the built function. Where an attempt can die is shared/dual-password.test.ts's. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { ServiceError } from '../../../../local/secrets-manager/errors.ts';
import { proxy } from '../../../rotation/proxy.ts';
import { forms, newPassword, Rotating, type RotatingOptions } from '../../../rotation/rotating.ts';
import { describeServers, type SharedServer, testWithLog } from '../../../servers.ts';
import { rows, usersOf } from '../../servers.ts';

/** The full counts, 50 and 20, run nightly. */
const ROTATIONS = Number(process.env['DUAL_ROTATIONS'] ?? 6);
const ATTEMPTS = Number(process.env['DUAL_ATTEMPTS'] ?? 4);

const DENIED = new ServiceError(
  'AccessDeniedException',
  'not authorized to perform: secretsmanager:UpdateSecretVersionStage',
);

/** With the right to keep its old password. */
async function dual(server: SharedServer, options: RotatingOptions = {}): Promise<Rotating> {
  const rotating = await Rotating.on(server, { tags: { 'rotation-strategy': 'dual-password' }, ...options });
  await rotating.sql(`GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ?@'%'`, [rotating.user]);
  return rotating;
}

/** The two that the labels name, and none of the others. */
async function expectRightTwo(rotating: Rotating, others: readonly string[]): Promise<void> {
  expect(await rotating.logsIn(rotating.password('AWSCURRENT'))).toBe(true);
  expect(await rotating.logsIn(rotating.password('AWSPREVIOUS'))).toBe(true);
  for (const other of others) expect(await rotating.logsIn(other)).toBe(false);
}

/** Takes AWSPENDING off, as a person does who cancels a rotation and starts it afresh. @returns its password */
function giveUp(rotating: Rotating, token: string): string {
  const password = rotating.password(token);
  rotating.manager.store.cancelRotateSecret({ SecretId: 'app' });
  rotating.manager.store.updateSecretVersionStage({
    SecretId: 'app',
    VersionStage: 'AWSPENDING',
    RemoveFromVersionId: token,
  });
  return password;
}

/** A rotation that changed the database and was not promoted, and then given up. @returns its password */
async function givenUp(rotating: Rotating): Promise<string> {
  rotating.manager.hooks = {
    before: ({ operation }) => (operation === 'UpdateSecretVersionStage' ? DENIED : undefined),
  };
  const { token } = await rotating.rotate();
  rotating.manager.hooks = {};
  const password = giveUp(rotating, token);
  expect(await rotating.logsIn(password)).toBe(true);
  return password;
}

function onMySql(server: SharedServer): void {
  testWithLog(server)('makes 11 calls to Secrets Manager, 3 logins and no failed one', async () => {
    await using rotating = await dual(server);

    const { succeeded } = await rotating.rotate();

    expect(succeeded).toBe(true);
    expect(rotating.calls).toEqual([
      ...['DescribeSecret', 'GetSecretValue', 'GetSecretValue', 'PutSecretValue'],
      ...['DescribeSecret', 'GetSecretValue', 'GetSecretValue', 'DescribeSecret'],
      'GetSecretValue',
      ...['GetSecretValue', 'UpdateSecretVersionStage'],
    ]);
    expect(usersOf(server).loginsIn(await server.log(), rotating.user)).toEqual({ accepted: 3, failed: 0 });
    expect(rotating.logged.find(({ step }) => step === 'setSecret')).toMatchObject({ strategy: 'dual-password' });
  });

  test(
    `${ROTATIONS} rotations: an application that reads the secret once between two of them, as late as it can, is never refused`,
    async () => {
      await using rotating = await dual(server);
      let held = rotating.password();
      let attempts = 0;
      let refused = 0;
      const over = new AbortController();
      const application = (async () => {
        for (; !over.signal.aborted; attempts++, await sleep(20)) refused += Number(!(await rotating.logsIn(held)));
      })();
      const dropped: string[] = [];
      for (let i = 0; i < ROTATIONS; i++) {
        held = rotating.password();
        if (i > 0) dropped.push(rotating.password('AWSPREVIOUS'));
        await rotating.expectRotated();
        await expectRightTwo(rotating, dropped.slice(-1));
      }
      over.abort();
      await application;
      console.info(`${server.row}: ${ROTATIONS} rotations, ${attempts} logins of the application, ${refused} refused`);
      expect(attempts).toBeGreaterThan(ROTATIONS);
      expect(refused).toBe(0);
    },
    60_000 + ROTATIONS * 5000,
  );

  test(
    `after ${ATTEMPTS} attempts given up and ${ATTEMPTS} at once both valid passwords are the right two`,
    async () => {
      await using rotating = await dual(server);
      await rotating.expectRotated();
      const others: string[] = [];
      for (let i = 0; i < ATTEMPTS; i++) {
        others.push(await givenUp(rotating));
        expect(await rotating.logsIn(rotating.password())).toBe(true);
      }
      const previous = rotating.password();
      const token = rotating.begin();
      await rotating.step('createSecret', token);
      const all = await Promise.all(Array.from({ length: ATTEMPTS }, () => rotating.step('setSecret', token)));
      expect(all.map(({ error }) => error)).toEqual(all.map(() => undefined));
      for (const step of ['testSecret', 'finishSecret'])
        expect(await rotating.step(step, token)).toMatchObject({ outcome: 'success' });
      expect(rotating.password('AWSPREVIOUS')).toBe(previous);
      await expectRightTwo(rotating, others);

      for (let i = 0; i < ATTEMPTS; i++) await rotating.expectRotated();
      await expectRightTwo(rotating, [...others, previous]);
    },
    60_000 + ATTEMPTS * 15_000,
  );

  testWithLog(server)('after an attempt was given up costs one refused login, and says nothing secret', async () => {
    await using rotating = await dual(server);
    const passwords = [rotating.password(), await givenUp(rotating)];
    const { loginsIn } = usersOf(server);
    const before = loginsIn(await server.log(), rotating.user);

    const { succeeded } = await rotating.rotate();

    expect(succeeded).toBe(true);
    const log = await server.log();
    expect(loginsIn(log, rotating.user)).toEqual({ accepted: before.accepted + 4, failed: before.failed + 1 });
    const change = `ALTER USER '${rotating.user}'@'%' IDENTIFIED BY <secret> REPLACE <secret> RETAIN CURRENT PASSWORD`;
    expect(log.split(change)).toHaveLength(1 + 3); // the last rotation's is refused at first
    for (const password of [...passwords, rotating.password()])
      for (const form of forms(password)) expect(log).not.toContain(form);
  });

  /** Right after its statement has gone to the server, and what the server says of it comes nowhere. */
  test.each(['REPLACE', 'IDENTIFIED BY'])(
    'killed at each statement (%s): AWSCURRENT logs in, and the next attempt finishes',
    async (statement) => {
      const kill: { now?: () => void } = {};
      await using between = await proxy(server, (from, bytes) => {
        const isChange = bytes.includes('ALTER USER') && bytes.includes('REPLACE') === (statement === 'REPLACE');
        if (from === 'client' && isChange) setImmediate(() => kill.now?.());
      });
      await using rotating = await dual(server, { secret: between.endpoint });
      const other = await givenUp(rotating);
      kill.now = () => {
        rotating.processes.at(-1)?.kill();
        delete kill.now;
      };
      const { succeeded, attempts } = await rotating.rotate({
        attempts: 3,
        onStep: { after: async () => expect(await rotating.logsIn(rotating.password())).toBe(true) },
      });
      expect(attempts[0]?.steps.at(-1)).toMatchObject({ step: 'setSecret', outcome: 'crash' });
      expect(succeeded).toBe(true);
      await expectRightTwo(rotating, [other]);
    },
  );

  test('making AWSCURRENT’s password primary again, killed and held back by the network: has come to nothing when a later rotation is promoted', async () => {
    const held = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const kill: { now?: () => void } = {};
    await using between = await proxy(
      server,
      async (from, bytes) => {
        if (from === 'server' || !bytes.includes('ALTER USER') || bytes.includes('REPLACE') || !kill.now) return;
        kill.now();
        delete kill.now;
        await held.promise;
        setImmediate(arrived.resolve);
      },
      { isLate: true },
    );
    // A short time is a short life of the session whose lock a later attempt waits for.
    await using rotating = await dual(server, { secret: between.endpoint, timeoutMs: 12_000 });
    await givenUp(rotating);
    kill.now = () => rotating.processes.at(-1)?.kill();
    const { attempts, token } = await rotating.rotate();
    expect(attempts[0]?.steps.at(-1)).toMatchObject({ step: 'setSecret', outcome: 'crash' });
    giveUp(rotating, token);
    await rotating.expectRotated(rotating.user, { attempts: 5 });
    held.resolve();
    await arrived.promise;
    await sleep(500);
    await expectRightTwo(rotating, []);
  });

  test('without the right to keep the old password: said with the statement that gives it, and finished once it is given', async () => {
    await using rotating = await Rotating.on(server, { tags: { 'rotation-strategy': 'dual-password' } });
    const { error, token } = await rotating.rotate();
    expect(error).toMatch(/setSecret: error, PrivilegeError: .*may not keep its old password/);
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    expect(await rotating.logsIn(rotating.password(token))).toBe(false);
    const [, statement = ''] = / run (GRANT .*?)\. /.exec(String(error)) ?? [];
    expect(statement).toBe(`GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO '${rotating.user}'@'%'`);

    await rotating.sql(statement);

    expect(await rotating.rotate()).toMatchObject({ succeeded: true, token });
    await expectRightTwo(rotating, []);
  });

  test.each([
    ['PASSWORD HISTORY 5', 'password_history or password_reuse_interval'],
    ['PASSWORD REUSE INTERVAL 5 DAY', 'password_history or password_reuse_interval'],
    ['PASSWORD REQUIRE CURRENT', 'password_require_current'],
  ])(
    'with %s: as usual; after an attempt was given up said by name, and finished once it is lifted',
    async (option, name) => {
      await using rotating = await dual(server);
      await rotating.sql(`ALTER USER ?@'%' ${option}`, [rotating.user]);
      await rotating.expectRotated();
      await expectRightTwo(rotating, []);
      const other = await givenUp(rotating);

      const { error, token } = await rotating.rotate();

      expect(error).toContain(
        `RetainedPasswordError: AWSCURRENT's password is the secondary one of user "${rotating.user}"`,
      );
      expect(error).toContain(`but ${name} forbids`);
      expect(rotating.labels[token]).toEqual(['AWSPENDING']);
      expect(await rotating.logsIn(rotating.password())).toBe(true);
      const [, lift = '', restore = ''] =
        / Run (ALTER USER .*?), start the rotation again, and then run (.*?)\./.exec(String(error)) ?? [];
      await rotating.sql(lift);
      expect(await rotating.rotate()).toMatchObject({ succeeded: true, token });
      await expectRightTwo(rotating, [other]);
      await rotating.sql(restore);
    },
  );

  test('with PASSWORD HISTORY 5: a step that runs again after the change is done, and not a password that was used before', async () => {
    await using rotating = await dual(server);
    await rotating.sql(`ALTER USER ?@'%' PASSWORD HISTORY 5`, [rotating.user]);
    const token = rotating.begin();
    for (const step of ['createSecret', 'setSecret', 'setSecret'] as const)
      expect(await rotating.step(step, token)).toMatchObject({ outcome: 'success' });
    await rotating.expectRotated();
    await expectRightTwo(rotating, []);
  });

  test('a password policy that refuses the new password: AWSPENDING is taken off, and AWSCURRENT works', async () => {
    await using rotating = await dual(server);
    await rotating.sql(`ALTER USER ?@'%' PASSWORD HISTORY 5`, [rotating.user]);
    const used = [newPassword(), newPassword()] as const;
    for (const password of used) await rotating.setPassword(password);
    rotating.edit({ password: used[1] });
    const token = rotating.begin();
    rotating.putPending(token, rotating.remember({ ...rotating.value(), password: used[0] }));

    const { error } = await rotating.rotate();

    expect(error).toMatch(/PasswordPolicyError: .*was used before.*AWSPENDING was taken off/);
    expect(rotating.labels).not.toHaveProperty(token);
    expect(await rotating.logsIn(rotating.password())).toBe(true);
  });

  test('a new password that the server takes and then refuses: nothing is put back, AWSPENDING is taken off, and the next rotation is whole', async () => {
    const changes: string[] = [];
    await using between = await proxy(server, (from, bytes) => {
      const at = from === 'client' ? bytes.indexOf('ALTER USER USER()') : -1;
      if (at < 0) return;
      const first = bytes.indexOf("IDENTIFIED BY '") + "IDENTIFIED BY '".length;
      // The server is told another password than the function has sent.
      if (changes.length === 0) bytes.write(bytes.toString('latin1', first, first + 1) === 'x' ? 'y' : 'x', first);
      changes.push(bytes.includes('REPLACE') ? 'change' : 'reanchor');
    });
    await using rotating = await dual(server, { secret: between.endpoint });
    const stored: string[] = [];

    const { error, token } = await rotating.rotate({
      onStep: { after: (step) => step === 'createSecret' && stored.push(rotating.password('AWSPENDING')) },
    });

    expect(error).toMatch(
      /setSecret: error, LoginRefusedError: The server took the new password and then refused it, and AWSCURRENT still works: .* AWSPENDING was taken off/,
    );
    expect(changes).toEqual(['change']);
    expect(rotating.labels).not.toHaveProperty(token);
    expect(Object.values(rotating.labels).flat()).not.toContain('AWSPENDING');
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    await rotating.expectRotated();
    expect(changes).toEqual(['change', 'change', 'reanchor', 'change']);
    await expectRightTwo(rotating, stored);
  });

  testWithLog(server)(
    'a server that does not know RETAIN, as MySQL before 8.0.14: says so, and changes nothing',
    async () => {
      await using between = await proxy(server, (from, bytes) => {
        const at = from === 'client' ? bytes.indexOf('RETAIN') : -1;
        if (at >= 0) bytes.write('RETAIM', at);
      });
      await using rotating = await dual(server, { secret: between.endpoint });
      const { error } = await rotating.rotate();
      expect(error).toMatch(/UnknownStrategyError: .*takes MySQL 8\.0\.14 or newer/);
      expect(await rotating.logsIn(rotating.password())).toBe(true);
      const log = await server.log();
      for (const password of [rotating.password(), rotating.password('AWSPENDING')])
        for (const form of forms(password)) expect(log).not.toContain(form);
    },
  );

  test('of a user with MAX_USER_CONNECTIONS 1, also a second time and after an attempt was given up', async () => {
    await using rotating = await dual(server);
    await rotating.sql(`ALTER USER ?@'%' WITH MAX_USER_CONNECTIONS 1`, [rotating.user]);
    await rotating.expectRotated();
    const other = await givenUp(rotating);
    const token = rotating.begin();
    for (const step of ['createSecret', 'setSecret', 'setSecret', 'testSecret', 'finishSecret'])
      expect(await rotating.step(step, token)).toMatchObject({ outcome: 'success' });
    await expectRightTwo(rotating, [other]);
  });

  test('edited in mid-rotation: the pending version is given up, AWSCURRENT works, and the next rotation is whole', async () => {
    await using rotating = await dual(server);
    const { error } = await rotating.rotate({
      attempts: 2,
      onStep: { after: (step, attempt) => step === 'setSecret' && attempt === 1 && rotating.edit({ note: 'edited' }) },
    });
    expect(error).toMatch(/PendingGivenUpError/);
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    await rotating.expectRotated();
    await expectRightTwo(rotating, []);
    expect(rotating.value()).toMatchObject({ note: 'edited' });
  });

  test('edited in mid-rotation, the password too, which the database does not have: it is set, and the older one stays valid', async () => {
    await using rotating = await dual(server);
    const password = newPassword();
    const edit = (step: string, attempt: number) =>
      step === 'setSecret' && attempt === 1 && rotating.edit({ note: 'edited', password });
    const { error } = await rotating.rotate({ attempts: 2, onStep: { after: edit } });
    expect(error).toMatch(/PendingGivenUpError/);
    expect(rotating.password()).toBe(password);
    await expectRightTwo(rotating, []);
  });

  test('a person’s password that the secret does not know is left alone, although the one before logs in', async () => {
    await using rotating = await dual(server);
    await rotating.expectRotated();
    const person = newPassword();
    await rotating.setPassword(person);
    const { error } = await rotating.rotate();
    expect(error).toMatch(/LoginRefusedError: .*is only the secondary one of user .*is left alone/);
    expect(await rotating.logsIn(person)).toBe(true);
    expect(await rotating.logsIn(rotating.password('AWSPREVIOUS'))).toBe(true);
  });

  test('a password of a form that statements must quote', async () => {
    await using rotating = await dual(server);
    const [first, second] = [`'; -- ${newPassword()}\\'`, `\\\\'"\n${newPassword()}`];
    await rotating.setPassword(first);
    rotating.edit({ password: first });
    await rotating.expectRotated();
    await rotating.setPassword(second);
    rotating.edit({ password: second });
    await rotating.expectRotated();
    await expectRightTwo(rotating, [first]);
  });

  test('single-user takes over where an attempt of dual-password was given up', async () => {
    await using rotating = await dual(server);
    await rotating.expectRotated();
    const other = await givenUp(rotating);
    rotating.manager.store.tagResource({ SecretId: 'app', Tags: [{ Key: 'rotation-strategy', Value: 'single-user' }] });
    await rotating.expectRotated();
    expect(await rotating.logsIn(other)).toBe(false);
    await rotating.expectRotated();
  });
}

function onMariaDb(server: SharedServer): void {
  testWithLog(server)(
    'is refused where the secret says mariadb, and where it says mysql, naming the alternative, and nothing is sent',
    async () => {
      for (const [engine, step] of [
        ['mariadb', 'createSecret'],
        ['mysql', 'setSecret'],
      ]) {
        const tags = { 'rotation-strategy': 'dual-password' };
        await using rotating = await Rotating.on(server, { secret: { engine }, tags });
        const { error, token } = await rotating.rotate();
        expect(error).toMatch(
          new RegExp(
            `${step}: error, UnknownStrategyError: The strategy dual-password cannot be had .*MariaDB.*alternating-users`,
          ),
        );
        expect(await rotating.logsIn(rotating.password())).toBe(true);
        const pending = step === 'setSecret' ? [rotating.password(token)] : [];
        const log = await server.log();
        for (const password of [rotating.password(), ...pending])
          for (const form of forms(password)) expect(log).not.toContain(form);
      }
    },
  );
}

describeServers('mysql', 'dual-password', (server) =>
  rows[server.row].engineKey === 'mysql' ? onMySql(server) : onMariaDb(server),
);
