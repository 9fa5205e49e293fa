/** What MongoDB answers where no server at hand does: played, from https://www.mongodb.com/docs/manual/reference/error-codes/ */
import { TLSSocket } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import type { Document } from 'mongodb';
import { mongodb } from '../../../../functions/mongodb/engine.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import type { RotationError } from '../../../../shared/core/errors.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { type LoginResult, type Session, supported } from '../../../../shared/database/engine.ts';
import { failure, trusting } from '../../../conformance/bench.ts';
import { eventually } from '../../../conformance/eventually.ts';
import { fakeServer } from '../../../conformance/relay.ts';
import { newPassword } from '../../../conformance/unique.ts';
import { tls } from '../../../fixtures/tls/tls.ts';
import { error, isHello, lettingIn, PRIMARY, SECONDARY } from '../fake.ts';
import { AS, denies, login, PAIR, played, session } from './support.ts';

const twins = supported(mongodb.twins('mongo'));
const byAdmin = supported(mongodb.byAdmin('mongo'));

function why(result: LoginResult<Session>): RotationError {
  if (result.is === 'accepted') throw new Error('the login was accepted');
  return result.why;
}

describe('a login at a played MongoDB', () => {
  test('is accepted, and both connections end with it', async () => {
    await using server = await played(() => undefined);
    const result = await login(server);
    expect(result).toMatchObject({
      is: 'accepted',
      session: { account: { username: AS.username, realm: 'admin' } },
    });
    expect(server.open()).toBe(2);

    if (result.is === 'accepted') await result.session.close();

    await eventually(async () => server.open() === 0);
  });

  test('fails in five ways, which are told apart, and leaves no connection', async () => {
    await using refusing = await played(denies('saslStart', 18, 'AuthenticationFailed'));
    await using secondary = await played((command) => (isHello(command) ? SECONDARY : undefined));
    await using secured = await fakeServer((socket) => {
      const server = { isServer: true, key: tls.key, cert: tls.certificate };
      lettingIn(AS, () => undefined)(new TLSSocket(socket, server).on('error', () => {}));
    });
    const { host, port } = secured;
    const as = { username: AS.username, password: new Secret(AS.password) };
    const over = (ca: string) =>
      mongodb.login({ host, port, tls: trusting(ca, 'localhost'), options: {} }, as, new Deadline(9000));
    const verified = await over(tls.ca);
    expect(verified).toMatchObject({ is: 'accepted' });
    if (verified.is === 'accepted') await verified.session.close();

    const errors = [
      why(await login(refusing)),
      why(await login({ host: 'nowhere.invalid', port })),
      why(await login(secondary)),
      why(await over(tls.otherCa)),
    ];
    {
      await using denied = await played(denies('updateUser', 13, 'Unauthorized'));
      await using own = await session(denied);
      errors.push(await failure(mongodb.changeOwnPassword(own, as.password, newPassword())));
    }

    expect(errors.map(({ name, layer }) => [name, layer])).toEqual([
      ['LoginRefusedError', 'authentication'],
      ['HostNotFoundError', 'DNS'],
      ['ReadOnlyServerError', 'database'],
      ['TlsError', 'TLS'],
      ['PrivilegeError', 'privilege'],
    ]);
    expect(new Set(errors.map(({ message }) => message)).size).toBe(5);
    for (const { message } of errors) expect(message).toContain(`"${AS.username}"`);
    for (const each of [refusing, secondary]) await eventually(async () => each.open() === 0);
  });

  test('is refused by a server that does not have this user', async () => {
    await using server = await played(denies('saslStart', 18, 'AuthenticationFailed'));

    const result = await login(server);

    expect(result).toMatchObject({ is: 'refused', why: { code: '18' } });
    expect(why(result).message).toContain('authSource');
  });

  test('says who is the primary, where the server that it meets is not', async () => {
    await using server = await played((command) =>
      isHello(command) ? { ...SECONDARY, primary: 'db-2.example:27017' } : undefined,
    );

    const result = await login(server);

    expect(result).toMatchObject({ is: 'unknown', why: { name: 'ReadOnlyServerError' } });
    expect(why(result).message).toContain('it names db-2.example:27017 now');
  });

  test('repeats nothing that is no host and port', async () => {
    await using server = await played((command) =>
      isHello(command) ? { ...SECONDARY, primary: 'call me: https://example.com' } : undefined,
    );

    expect(why(await login(server)).message).not.toContain('example.com');
  });

  test('says that there is no primary now', async () => {
    const { primary: _, ...orphan } = SECONDARY;
    await using server = await played((command) => (isHello(command) ? orphan : undefined));

    expect(why(await login(server)).message).toContain('it names none now');
  });

  test('is unknown where the server takes the session for somebody else’s', async () => {
    const other = { authInfo: { authenticatedUsers: [{ user: AS.username, db: 'elsewhere' }] }, ok: 1 };
    await using server = await played((command) => ('connectionStatus' in command ? other : undefined));

    expect(await login(server)).toMatchObject({ is: 'unknown', why: { layer: 'database' } });
  });

  test('waits until a majority has what it proves, and no longer than its deadline', async () => {
    const { lastWrite } = PRIMARY as { lastWrite: Document };
    const ahead = { ...lastWrite['opTime'], t: lastWrite['opTime'].t.add(1) };
    const lagging = { ...PRIMARY, lastWrite: { opTime: ahead, majorityOpTime: lastWrite['opTime'] } };
    let hellos = 0;
    await using server = await played((command, position) => {
      if (!isHello(command) || position === undefined) return undefined;
      return ++hellos < 3 ? lagging : { ...PRIMARY, lastWrite: { opTime: ahead, majorityOpTime: ahead } };
    });
    await using own = await session(server);
    expect(own.account.username).toBe(AS.username);
    expect(hellos).toBe(3);

    await using never = await played((command, position) =>
      isHello(command) && position !== undefined ? lagging : undefined,
    );
    const result = await login(never, AS.password, 3000);
    expect(result).toMatchObject({ is: 'unknown', why: { name: 'ConnectionError' } });
    expect(why(result).message).toContain('majority');
  });
});

describe('a change at a played MongoDB', () => {
  test.each([
    [10_107, 'NotWritablePrimary', 'ReadOnlyServerError', 'is not the primary'],
    [13_435, 'NotPrimaryNoSecondaryOk', 'ReadOnlyServerError', 'is not the primary'],
    [13, 'Unauthorized', 'PrivilegeError', 'changeOwnPassword'],
    [50, 'MaxTimeMSExpired', 'DeadlineError', 'time limit'],
    [64, 'WriteConcernTimeout', 'ConnectionError', 'majority'],
    [189, 'PrimarySteppedDown', 'ConnectionError', 'may have happened'],
    [11_600, 'InterruptedAtShutdown', 'ConnectionError', 'may have happened'],
    [2, 'BadValue', 'PasswordPolicyError', 'does not take the password'],
    [9999, 'SomethingNew', 'DatabaseError', 'error 9999'],
  ])('that fails with %i, %s, is a %s', async (code, codeName, name, words) => {
    await using server = await played(denies('updateUser', code, codeName));
    await using own = await session(server);

    const why = await failure(mongodb.changeOwnPassword(own, new Secret(AS.password), newPassword()));

    expect(why).toMatchObject({ name, user: AS.username, host: server.host, code: String(code) });
    expect(why.message).toContain(words);
    expect(why.message).not.toContain('it names none');
    expect(why.message).not.toContain('played');
  });

  test('asks for a majority, within its time', async () => {
    const changes: Document[] = [];
    await using server = await played((command) => {
      if ('updateUser' in command) changes.push(command);
      return undefined;
    });
    await using own = await session(server);

    await mongodb.changeOwnPassword(own, new Secret(AS.password), newPassword());

    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatchObject({ updateUser: AS.username, writeConcern: { w: 'majority' } });
    for (const limit of [changes[0]?.['maxTimeMS'], changes[0]?.['writeConcern'].wtimeout]) {
      expect(limit).toBeGreaterThan(500);
      expect(limit).toBeLessThan(1500); // a sixth of nine seconds is for statements
    }
  });

  test('that no majority has confirmed is none', async () => {
    await using server = await played((command) =>
      'updateUser' in command ? { ok: 1, writeConcernError: { code: 64, errmsg: 'waiting timed out' } } : undefined,
    );
    await using own = await session(server);

    const why = await failure(mongodb.changeOwnPassword(own, new Secret(AS.password), newPassword()));

    expect(why).toMatchObject({ name: 'ConnectionError' });
    expect(why.message).toContain('may have happened');
  });

  test('keeps the mechanisms that the user has', async () => {
    const changes: Document[] = [];
    await using server = await played((command) => {
      if ('updateUser' in command) changes.push(command);
      if ('usersInfo' in command) return { users: [{ user: AS.username, mechanisms: ['SCRAM-SHA-256'] }], ok: 1 };
      return undefined;
    });
    await using own = await session(server);

    await mongodb.changeOwnPassword(own, new Secret(AS.password), newPassword());

    expect(changes[0]).toMatchObject({ mechanisms: ['SCRAM-SHA-256'] });
  });
});

const base = { user: 'app', db: 'admin', roles: [{ role: 'read', db: 'app' }], mechanisms: ['SCRAM-SHA-256'] };
const UNKNOWN_FIELDS = [
  [2, 'BadValue'],
  [9, 'FailedToParse'],
  [72, 'InvalidOptions'],
  [303, 'UnsupportedFeature'],
  [40_415, 'IDLUnknownField'],
] as const;

describe('what a played MongoDB does not know', () => {
  test.each(UNKNOWN_FIELDS)('it says by %i, %s: without customData there is no mark', async (code, codeName) => {
    await using server = await played((command) => {
      if ('updateUser' in command) return error(code, codeName, 'played');
      return 'usersInfo' in command ? { users: [base], ok: 1 } : undefined;
    });
    await using admin = await session(server);

    expect(await twins.state(admin, PAIR)).toEqual({ base: { inert: false }, twin: { inert: false } });
    expect(twins.adoption(admin, PAIR)).toEqual({ unsupported: expect.any(String) });
  });

  test.each([
    ['finds no user', error(11, 'UserNotFound', 'played')],
    ['says yes', { ok: 1 }],
  ])('it does not look at, and %s whatever customData is: there is no mark', async (_, answer) => {
    await using server = await played((command) => {
      if ('updateUser' in command) return answer;
      return 'usersInfo' in command ? { users: [base], ok: 1 } : undefined;
    });
    await using admin = await session(server);

    await twins.state(admin, PAIR);

    expect(twins.adoption(admin, PAIR)).toEqual({ unsupported: expect.any(String) });
  });

  test('it looks at, if it says what customData has to be: there is a mark', async () => {
    await using server = await played((command) => {
      if (typeof command['customData'] === 'string') return error(14, 'TypeMismatch', 'played');
      if ('updateUser' in command) return error(11, 'UserNotFound', 'played');
      return 'usersInfo' in command ? { users: [{ ...base, inheritedPrivileges: [] }], ok: 1 } : undefined;
    });
    await using admin = await session(server);

    await twins.state(admin, PAIR);

    expect(twins.adoption(admin, PAIR)).toContain('updateUser');
  });

  // https://www.mongodb.com/docs/manual/tutorial/change-own-password-and-custom-data/ gives this right together with that to the own password.
  test.each([
    ['may not', [{ resource: { db: '', collection: '' }, actions: ['changeOwnPassword'] }], true],
    ['may', [{ resource: { db: '', collection: '' }, actions: ['changeOwnPassword', 'changeOwnCustomData'] }], false],
    ['may, for all that the server says,', undefined, false],
  ])(
    'of a twin that %s change its own customData, a mark counts accordingly',
    async (_, inheritedPrivileges, counts) => {
      const marked = (secret: string) => ({ 'secret-rotation': { secret, base: PAIR.base.username } });
      let secret = PAIR.owner;
      await using server = await played((command) => {
        if (typeof command['customData'] === 'string') return error(14, 'TypeMismatch', 'played');
        if ('updateUser' in command) return error(11, 'UserNotFound', 'played');
        if (!('usersInfo' in command)) return undefined;
        const twin = { ...base, user: PAIR.twin.username, customData: marked(secret), inheritedPrivileges };
        return { users: [command['usersInfo'].user === PAIR.base.username ? base : twin], ok: 1 };
      });
      await using admin = await session(server);

      expect((await twins.state(admin, PAIR)).twin?.owner).toBe(counts ? PAIR.owner : undefined);
      expect(typeof twins.adoption(admin, PAIR) === 'string').toBe(counts);
      // Another secret's is left alone in any case.
      secret = 'arn:other';
      expect((await twins.state(admin, PAIR)).twin?.owner).toBe(secret);
    },
  );

  // Taken for a server without marks, one in trouble would have another secret's pair changed.
  test.each([
    [50, 'MaxTimeMSExpired', 'DeadlineError'],
    [189, 'PrimarySteppedDown', 'ConnectionError'],
    [112, 'WriteConflict', 'DatabaseError'],
    [9999, 'SomethingNew', 'DatabaseError'],
  ])('it does not say by %i, %s: whose the pair is stays open', async (code, codeName, name) => {
    await using server = await played((command) => {
      if ('updateUser' in command) return error(code, codeName, 'played');
      return 'usersInfo' in command ? { users: [base], ok: 1 } : undefined;
    });
    await using admin = await session(server);

    expect(await failure(twins.state(admin, PAIR))).toMatchObject({ name, code: String(code) });
  });

  test.each(UNKNOWN_FIELDS)('may be restrictions: %i, %s', async (code, codeName) => {
    await using server = await played((command) => {
      if (command['showAuthenticationRestrictions']) return error(code, codeName, 'played');
      return 'usersInfo' in command ? { users: [base], ok: 1 } : undefined;
    });
    await using admin = await session(server);

    expect(await twins.differences(admin, PAIR)).toEqual([]);
  });

  test('are no restrictions that it failed to tell: a twin would be made without them', async () => {
    await using server = await played((command) => {
      if (command['showAuthenticationRestrictions']) return error(112, 'WriteConflict', 'played');
      return 'usersInfo' in command ? { users: [base], ok: 1 } : undefined;
    });
    await using admin = await session(server);

    expect(await failure(Promise.resolve(twins.differences(admin, PAIR)))).toMatchObject({ code: '112' });
    expect(await failure(twins.create(admin, PAIR, newPassword()))).toMatchObject({ code: '112' });
  });

  test.each(UNKNOWN_FIELDS)('may be privileges: power is told by the roles then: %i, %s', async (code, codeName) => {
    const role = { role: 'userAdmin', db: 'admin' };
    await using server = await played((command) => {
      if (command['showPrivileges']) return error(code, codeName, 'played');
      return 'usersInfo' in command ? { users: [{ ...base, roles: [role] }], ok: 1 } : undefined;
    });
    await using admin = await session(server);
    const to = { ...server, tls: 'off', options: {} } as const;

    expect(await byAdmin.facts(admin, 'app', to)).toMatchObject({ privileged: 'has the role userAdmin' });
  });
});
