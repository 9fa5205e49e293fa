/** Whose a user is that a pair could take for one of its own: somebody else's, or another secret's. */
import { expect, test } from '@jest/globals';
import { Administrator } from '../crash-matrix/administrator.ts';
import { engines, enginesWithTwins } from '../engines/engines.ts';
import { rows } from '../engines/servers.ts';
import { describeOneServer, describeServers, type SharedServer, servers, testUnless } from '../servers.ts';
import { type Json, newPassword, Rotating } from './rotating.ts';

const PAIR = { admin: { madeTheUser: true } };
const ALONE = { masterarn: undefined, baseusername: undefined, alternateusername: undefined };

/** The rows whose twins bear a mark. */
const marking = new Set<string>();
for (const server of Object.values(servers)) {
  if ('remedy' in server) continue;
  const { engine, engineKey } = rows[server.row];
  const matrix = engines[engine].matrix(engineKey);
  await using administrator = new Administrator(matrix, server);
  if ((await matrix.abilities(administrator)).marksTwins === 'supported') marking.add(server.row);
}

const isMarking = ({ row }: SharedServer) => marking.has(row);
const testWithMarks = (server: SharedServer) =>
  testUnless(isMarking(server) ? undefined : 'the server has no place for a mark');

/** Somebody else's user, whom this secret's admin made. @returns whether its password still works */
async function stranger(rotating: Rotating, username: string): Promise<() => Promise<boolean>> {
  const password = newPassword();
  await rotating.makeUser(username, password, rotating.admin);
  return () => rotating.logsIn(password, username);
}

for (const engine of enginesWithTwins) {
  const { adoption, member, seesUsers } = engines[engine].rotation;

  describeServers(engine, 'a user that is called like the twin', (server) => {
    test.each<[string, (rotating: Rotating) => Json]>([
      ['by chance', () => ({})],
      ['in alternateusername', ({ user }) => ({ alternateusername: `other_${user}` })],
    ])('%s, is a stranger’s', async (_, names) => {
      await using rotating = await Rotating.on(server, PAIR);
      const { alternateusername: other = rotating.twin } = names(rotating);
      const works = await stranger(rotating, String(other));
      rotating.edit(names(rotating));

      await rotating.expectRefused('ForeignUserError', `"${other}" is there already`);

      expect(await works()).toBe(true);
      await rotating.dropUser(String(other));
      await rotating.expectRotated(String(other));
      await rotating.dropUser(String(other));
    });

    testWithMarks(server)('is given to the pair by the statement that the error has', async () => {
      await using rotating = await Rotating.on(server, PAIR);
      const { user: base, twin, arn: secret } = rotating;
      const works = await stranger(rotating, twin);
      await rotating.expectRefused('ForeignUserError', adoption({ base, twin, secret }));
      expect(await works()).toBe(true);

      const { error } = await rotating.rotate();
      await rotating.sql(/ run: (.*)$/.exec(error ?? '')?.[1] ?? '');

      await rotating.expectRotated(twin);
      expect(await works()).toBe(false);
    });

    testUnless(isMarking(server) ? 'the server has a place for a mark' : undefined)(
      'is given to the pair by the deployer’s word, which is needed once',
      async () => {
        const environment: Record<string, string> = {};
        await using rotating = await Rotating.on(server, { ...PAIR, environment });
        const works = await stranger(rotating, rotating.twin);
        await rotating.expectRefused('ForeignUserError', 'ADMIN_MAY_SET_PASSWORDS to true');
        expect(await works()).toBe(true);

        environment['ADMIN_MAY_SET_PASSWORDS'] = 'true';
        await rotating.expectRotated(rotating.twin);
        delete environment['ADMIN_MAY_SET_PASSWORDS'];
        await rotating.expectRotated(rotating.user);
        await rotating.expectRotated(rotating.twin);
      },
    );
  });

  describeServers(engine, 'a pair of another secret', (server) => {
    const others: [string, (rotating: Rotating) => Json][] = [
      [
        'the same base with a twin of its own',
        ({ user }) => ({ baseusername: user, alternateusername: `third_${user}` }),
      ],
      [
        'its twin as the base of another one',
        (rotating) => ({
          ...rotating.value(),
          baseusername: rotating.twin,
          alternateusername: `third_${rotating.user}`,
        }),
      ],
    ];
    const expectLeftAlone = async (names: (rotating: Rotating) => Json) => {
      await using rotating = await Rotating.on(server, PAIR);
      const first = { ...rotating.value() };
      await rotating.expectRotated(rotating.twin);
      const before = await rotating.stored();
      rotating.makeOther({ ...first, ...names(rotating) });

      expect(await rotating.rotateOther()).toMatchObject({
        errorType: 'ForeignUserError',
        errorMessage: expect.stringContaining(isMarking(server) ? rotating.arn : 'is there already'),
      });

      expect(await rotating.stored()).toEqual(before);
      expect(await rotating.logsIn(rotating.password(), rotating.twin)).toBe(true);
      expect(await rotating.logsIn(String(first['password']))).toBe(true);
    };

    test('is left alone: the same pair', () => expectLeftAlone(({ user }) => ({ baseusername: user })));

    for (const [title, names] of others) testWithMarks(server)(`is left alone: ${title}`, () => expectLeftAlone(names));

    testWithMarks(server)('is handed over by the statement that the error has', async () => {
      await using rotating = await Rotating.on(server, PAIR);
      const first = { ...rotating.value() };
      await rotating.expectRotated(rotating.twin);
      rotating.makeOther({ ...first, baseusername: rotating.user });
      const refused = await rotating.rotateOther();
      const [, statement = ''] =
        / If that secret will not rotate them again, run: (.*)$/.exec(refused?.errorMessage ?? '') ?? [];
      await rotating.sql(statement);
      expect(await rotating.rotateOther()).toBeUndefined();
      await rotating.expectRefused('ForeignUserError', [rotating.twin, rotating.arnOf('other')]);
    });

    test('nor does its twin give away another base', async () => {
      await using rotating = await Rotating.on(server, PAIR);
      await rotating.expectRotated(rotating.twin);
      const victim = `victim_${rotating.user}`;
      const works = await stranger(rotating, victim);
      if (member) await rotating.sql(member(victim, rotating.user));
      rotating.edit({ baseusername: victim });

      await rotating.expectRefused('ForeignUserError', isMarking(server) ? rotating.arn : 'is there already');

      expect(await works()).toBe(true);
      await rotating.dropUser(victim);
    });

    test('nor does a user of one’s own give away another one, called its base', async () => {
      await using rotating = await Rotating.on(server, PAIR);
      const victim = `victim_${rotating.user}`;
      const works = await stranger(rotating, victim);
      rotating.edit({ baseusername: victim, alternateusername: rotating.user });

      await rotating.expectRefused('ForeignUserError', `The user "${victim}" is there already`);

      expect(await works()).toBe(true);
      await rotating.dropUser(victim);
    });

    // If testSecret found this out, one password would have changed, and AWSCURRENT would be locked out for good.
    test('gone back to a single user, with its names left in the secret: is rotated, although the twin is no more', async () => {
      await using rotating = await Rotating.on(server, PAIR);
      await rotating.expectRotated(rotating.twin);
      await rotating.expectRotated(rotating.user);
      rotating.manager.store.tagResource({
        SecretId: 'app',
        Tags: [{ Key: 'rotation-strategy', Value: 'single-user' }],
      });
      await rotating.dropUser(rotating.twin);
      if (seesUsers) await rotating.sql(seesUsers(rotating.user));
      await rotating.expectRotated(rotating.user);
    });
  });

  describeServers(engine, 'a secret of a single user', (server) => {
    testWithMarks(server)(
      'that names the active twin of another secret’s pair is refused, and that one works on',
      async () => {
        await using rotating = await Rotating.on(server, PAIR);
        await rotating.expectRotated(rotating.twin);
        rotating.makeOther(ALONE);

        expect(await rotating.rotateOther()).toMatchObject({
          errorType: 'ForeignUserError',
          errorMessage: expect.stringContaining(rotating.arn),
        });

        expect(await rotating.logsIn(rotating.password(), rotating.twin)).toBe(true);
        await rotating.expectRotated(rotating.user);
      },
    );
  });
}

describeServers('postgres', 'a secret of a single user', (server) => {
  test('that names the base of another secret’s pair is refused, too', async () => {
    await using rotating = await Rotating.on(server, PAIR);
    await rotating.expectRotated(rotating.twin);
    await rotating.expectRotated(rotating.user);
    rotating.makeOther(ALONE);
    expect(await rotating.rotateOther()).toMatchObject({ errorType: 'ForeignUserError' });
    expect(await rotating.logsIn(rotating.password())).toBe(true);
  });
});

describeOneServer('a pair', (server) => {
  test('another user cannot be had by naming it in the secret', async () => {
    await using rotating = await Rotating.on(server, PAIR);
    const victim = `victim_${rotating.user}`;
    const works = await stranger(rotating, victim);
    rotating.edit({ username: victim });

    await rotating.expectRefused('LoginRefusedError', victim);

    expect(await works()).toBe(true);
    await rotating.dropUser(victim);
  });

  test('left for a user that is neither of them, as a single user: is rotated, whatever became of the pair', async () => {
    await using rotating = await Rotating.on(server, { tags: { 'rotation-strategy': 'single-user' } });
    const pair = { baseusername: `old_${rotating.user}`, alternateusername: `old_${rotating.twin}` };
    rotating.edit(pair);
    await rotating.expectRotated(rotating.user);
    expect(rotating.value()).toMatchObject(pair);
  });

  test('AWSCURRENT that a person has given back to AWSPREVIOUS works, and the next rotation goes on from there', async () => {
    await using rotating = await Rotating.on(server, PAIR);
    const before = rotating.value();
    const [first] = Object.keys(rotating.labels);
    await rotating.expectRotated();
    rotating.moveCurrent(String(first));
    expect(rotating.value()).toEqual(before);
    expect(await rotating.logsIn(rotating.password())).toBe(true);
    await rotating.expectRotated(rotating.twin);
    await rotating.expectRotated(rotating.user);
  });
});
