/** What no server at hand does: compare-and-set, as MySQL has it. */
import { describe, expect, test } from '@jest/globals';
import { postgres } from '../../functions/postgres/engine.ts';
import { Deadline } from '../../shared/deadline.ts';
import type { Credential, Engine, LoginResult, Session } from '../../shared/engine.ts';
import { LoginRefusedError } from '../../shared/errors.ts';
import { Logins } from '../../shared/login.ts';
import { Secret } from '../../shared/secret.ts';
import { parseSecret } from '../../shared/secret-value.ts';
import { singleUser } from '../../shared/single-user.ts';
import type { Readable, Rotation } from '../../shared/strategy.ts';
import type { SecretVersions } from '../../shared/versions.ts';

/** A database of one account in memory, whose change is compare-and-set. */
class Account {
  password: string;
  /** Done by somebody else right before a change. */
  meanwhile: () => void = () => {};
  changes = 0;

  constructor(password: string) {
    this.password = password;
  }

  readonly engine: Engine = {
    ...(postgres as unknown as Engine),
    login: async (_to, as: Credential): Promise<LoginResult<Session>> =>
      as.password.reveal() === this.password
        ? { is: 'accepted', session: { account: { username: as.username, realm: '' }, close: async () => {} } }
        : { is: 'refused', why: new LoginRefusedError('refused') },
    exclusively: (_session, _account, work) => work(),
    changeOwnPassword: async (_session, from: Secret, to: Secret) => {
      this.meanwhile();
      if (this.password !== from.reveal()) return 'conflict';
      this.password = to.reveal();
      this.changes++;
      return 'set';
    },
  };
}

function version(id: string, password: string): Readable {
  const text = new Secret(JSON.stringify({ engine: 'postgres', host: 'db', username: 'app', password }));
  return { version: { id, text, createdAt: new Date(0) }, value: parseSecret({ text, called: id }, postgres) };
}

function rotation({ engine }: Account): Rotation<Session> {
  return {
    engine,
    versions: { newestFirst: async () => [] } as unknown as SecretVersions,
    logins: new Logins(engine, new Deadline(60_000)),
    token: 'pending',
    current: version('current', 'old'),
    readyToChange: async () => {},
  };
}

describe('a change by compare-and-set that finds another password', () => {
  test('is done, if it was this rotation that was faster', async () => {
    const account = new Account('old');
    account.meanwhile = () => {
      account.password = 'new';
    };
    await singleUser.set(rotation(account), version('pending', 'new'));
    expect(account).toMatchObject({ password: 'new', changes: 0 });
  });

  test('fails, and puts nothing back, if it was somebody else', async () => {
    const account = new Account('old');
    account.meanwhile = () => {
      account.password = 'of a person';
    };
    await expect(singleUser.set(rotation(account), version('pending', 'new'))).rejects.toThrow('refused');
    expect(account).toMatchObject({ password: 'of a person', changes: 0 });
  });
});
