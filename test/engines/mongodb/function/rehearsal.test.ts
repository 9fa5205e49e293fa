/**
 * What a rehearsal tells where users have privileges. No server at hand shows them, so the answers are
 * played, in the form of MongoDB 8.0's:
 * https://www.mongodb.com/docs/manual/reference/command/connectionStatus/. Which command takes which:
 * https://github.com/mongodb/mongo/blob/master/src/mongo/db/commands/user_management_commands_common.cpp
 */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import type { Document } from 'mongodb';
import type { User } from '../../../../functions/mongodb/description.ts';
import { differencesIn } from '../../../../functions/mongodb/differences.ts';
import { mongodb } from '../../../../functions/mongodb/engine.ts';
import type { MongoSession } from '../../../../functions/mongodb/session.ts';
import { Lambda } from '../../../../local/lambda.ts';
import { startSecretsManager } from '../../../../local/secrets-manager/server.ts';
import type { RotationError } from '../../../../shared/core/errors.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { supported } from '../../../../shared/database/engine.ts';
import { failure } from '../../../conformance/bench.ts';
import type { Listening } from '../../../conformance/relay.ts';
import { newPassword } from '../../../conformance/unique.ts';
import { error } from '../fake.ts';
import { type Answer, AS, denies, PAIR, played, session } from './support.ts';

const twins = supported(mongodb.twins('mongo'));
const byAdmin = supported(mongodb.byAdmin('mongo'));

type Privilege = { resource: Document; actions: string[] };

const BASE = {
  user: PAIR.base.username,
  db: 'admin',
  roles: [{ role: 'read', db: 'shop' }],
  mechanisms: ['SCRAM-SHA-256'],
  authenticationRestrictions: [{ clientSource: ['127.0.0.1'] }],
};

/** A server whose only user is the base, which has logged in and has these privileges. */
const withPrivileges =
  (authenticatedUserPrivileges: Privilege[] | undefined, users: Document[] = [BASE]): Answer =>
  (command) => {
    const authenticatedUsers = [{ user: AS.username, db: 'admin' }];
    const isAsked = command['showPrivileges'] && authenticatedUserPrivileges;
    if ('connectionStatus' in command)
      return { authInfo: { authenticatedUsers, ...(isAsked && { authenticatedUserPrivileges }) }, ok: 1 };
    if (!('usersInfo' in command)) return undefined;
    const { user } = command['usersInfo'];
    return { users: user === undefined ? users : users.filter((each) => each['user'] === user), ok: 1 };
  };

/** `changePassword of admin`: of the users of that database. */
type Right = `${string} of ${string}`;
const inPrivileges = (rights: readonly Right[]): Privilege[] =>
  rights.map((right) => {
    const [action = '', db] = right.split(' of ');
    return { resource: { db, collection: '' }, actions: [action] };
  });

/** Settles the difference between these two. */
const settling = (base: Partial<User>, twin: Partial<User>) => async (admin: MongoSession) => {
  const user = { roles: [], restrictions: [], mechanisms: [], customData: {} };
  for (const each of differencesIn({ ...user, ...base }, { ...user, ...twin }, PAIR))
    await twins.apply(admin, PAIR, each);
};

const to = newPassword();
const read = { role: 'read', db: 'shop' };

type Act = {
  what: string;
  command: string;
  act: (session: MongoSession) => Promise<unknown>;
  takes: readonly Right[];
};
const ACTS: readonly Act[] = [
  {
    what: 'the user’s own password, as oneself',
    command: 'updateUser',
    act: (own) => mongodb.changeOwnPassword(own, new Secret(AS.password), to),
    takes: ['changeOwnPassword of admin'],
  },
  {
    what: 'the user’s own password, as anybody’s',
    command: 'updateUser',
    act: (own) => mongodb.changeOwnPassword(own, new Secret(AS.password), to),
    takes: ['changePassword of admin'],
  },
  {
    what: 'another user’s password',
    command: 'updateUser',
    act: (admin) => byAdmin.setPassword(admin, PAIR.twin, to),
    takes: ['changePassword of admin'],
  },
  {
    what: 'a twin with the roles and restrictions of the base',
    command: 'createUser',
    act: (admin) => twins.create(admin, PAIR, to),
    takes: ['createUser of admin', 'grantRole of shop', 'setAuthenticationRestriction of admin'],
  },
  {
    what: 'the password of a twin',
    command: 'updateUser',
    act: (admin) => twins.enable(admin, PAIR, 'twin', to),
    takes: ['changePassword of admin'],
  },
  {
    what: 'a mark',
    command: 'updateUser',
    act: (admin) => {
      admin.keepsMarks = true;
      return twins.adopt(admin, PAIR);
    },
    takes: ['changeCustomData of admin'],
  },
  {
    what: 'a role that the twin lacks',
    command: 'grantRolesToUser',
    act: settling({ roles: [read] }, {}),
    takes: ['grantRole of shop'],
  },
  {
    what: 'a role that the base lacks',
    command: 'revokeRolesFromUser',
    act: settling({}, { roles: [read] }),
    takes: ['revokeRole of shop'],
  },
  {
    what: 'restrictions',
    command: 'updateUser',
    act: settling({ restrictions: [{ clientSource: ['127.0.0.1'] }] }, {}),
    takes: ['setAuthenticationRestriction of admin'],
  },
  {
    what: 'customData',
    command: 'updateUser',
    act: settling({ customData: { team: 'shop' } }, {}),
    takes: ['changeCustomData of admin'],
  },
];

/** As a preflight does it. @returns how it fails, if it does */
async function rehearsed(server: Listening, act: Act['act']): Promise<RotationError | undefined> {
  await using own = await session(server);
  let failed: RotationError | undefined;
  await mongodb.rehearse(own, PAIR.base, async () => {
    failed = await act(own).then(
      () => undefined,
      (error) => error,
    );
  });
  return failed;
}

/** Answers as this one does, and keeps what a session sends, but for what reads. */
const keeping = (answer: Answer, changes: Document[]): Answer => {
  const reads = ['hello', 'connectionStatus', 'usersInfo', 'endSessions'];
  return (command, position) => {
    if (position !== undefined && !reads.some((name) => name in command)) changes.push(command);
    return answer(command, position);
  };
};

const TWIN = { ...BASE, user: PAIR.twin.username, roles: [] };

describe('a rehearsal at a played MongoDB', () => {
  test.each(ACTS)('of $what takes $takes, fails without as the change does, and sends nothing', async (given) => {
    const { act, command, takes } = given;
    const changes: Document[] = [];
    const having = (rights: readonly Right[]) => keeping(withPrivileges(inPrivileges(rights), [BASE, TWIN]), changes);
    const denied = withPrivileges([], [BASE, TWIN]);
    await using denying = await played(
      (heard, at) => denies(command, 13, 'Unauthorized')(heard, at) ?? denied(heard, at),
    );
    await using own = await session(denying);
    const why = await failure(act(own));
    expect(why).toMatchObject({ name: 'PrivilegeError', code: '13' });

    await using allowing = await played(having(takes));
    expect(await rehearsed(allowing, act)).toBeUndefined();
    for (const missing of takes) {
      await using lacking = await played(having(takes.filter((right) => right !== missing)));
      expect(await rehearsed(lacking, act)).toEqual(why);
    }
    expect(changes).toEqual([]);
  });

  const own = (privileges: Privilege[] | undefined, more = {}) => withPrivileges(privileges, [{ ...BASE, ...more }]);
  const changeOwn: Act['act'] = (user) => mongodb.changeOwnPassword(user, new Secret(AS.password), to);

  test.each<[string, Answer]>([
    ['all databases', own([{ resource: { db: '', collection: '' }, actions: ['changeOwnPassword'] }])],
    ['everything', own([{ resource: { anyResource: true }, actions: ['anyAction'] }])],
    ['what the server does not tell, as FerretDB', own(undefined)],
    ['what a server says that is no MongoDB, as FerretDB’s extension', own([], { mechanisms: undefined })],
  ])('takes for held: a right on %s', async (_, answer) => {
    await using server = await played(answer);
    expect(await rehearsed(server, changeOwn)).toBeUndefined();
  });

  test.each([{ db: 'shop', collection: '' }, { db: 'admin', collection: 'system.users' }, { cluster: true }])(
    'takes a right on %j for none over the users of "admin"',
    async (resource) => {
      await using server = await played(own([{ resource, actions: ['changeOwnPassword', 'changePassword'] }]));
      expect(await rehearsed(server, changeOwn)).toMatchObject({ name: 'PrivilegeError' });
    },
  );

  test('sees the mark of another secret', async () => {
    const marked = { ...TWIN, customData: { 'secret-rotation': { secret: 'arn:other', base: PAIR.base.username } } };
    const answer = withPrivileges([], [BASE, { ...marked, inheritedPrivileges: [] }]);
    await using server = await played((command, position) => {
      if (typeof command['customData'] === 'string') return error(14, 'TypeMismatch', 'played');
      return 'updateUser' in command ? error(11, 'UserNotFound', 'played') : answer(command, position);
    });
    await using admin = await session(server);
    await mongodb.rehearse(admin, PAIR.base, async () => {
      expect((await twins.state(admin, PAIR)).twin?.owner).toBe('arn:other');
    });
  });

  test('says in testSecret called alone that the user may not change its password, and how it may', async () => {
    const changes: Document[] = [];
    await using server = await played(keeping(own([]), changes));
    await using manager = await startSecretsManager();
    const { host, port } = server;
    manager.store.createSecret({
      Name: 'app',
      ClientRequestToken: randomUUID(),
      SecretString: JSON.stringify({ engine: 'mongo', host, port, ssl: false, ...AS }),
    });
    const bundle = fileURLToPath(new URL('../../../../dist/mongodb/index.mjs', import.meta.url));
    const start = () => Lambda.start({ bundle, environment: { SECRETS_MANAGER_ENDPOINT: manager.endpoint } });

    const { error } = await manager.rotate('app', { start, attempts: 1, rotateImmediately: false });

    expect(error).toMatch(/^testSecret: error, PrivilegeError: The user "app" .* may not change its own password: /);
    expect(error).toContain('grantRolesToUser("app", ["changeOwnPassword"])');
    expect(changes).toEqual([]);
  });
});
