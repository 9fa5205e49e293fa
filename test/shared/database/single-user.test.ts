/** What no server at hand does: compare-and-set, as MySQL has it; and interleavings that cannot be timed on a real one. */
import { describe, expect, test } from '@jest/globals';
import { postgres } from '../../../functions/postgres/engine.ts';
import { Deadline } from '../../../shared/core/deadline.ts';
import { Secret } from '../../../shared/core/secret.ts';
import type { OtherVersions } from '../../../shared/core/versions.ts';
import type { AdminSecret } from '../../../shared/database/admin.ts';
import type { ByAdmin, Session } from '../../../shared/database/engine.ts';
import {
  DatabaseError,
  PasswordPolicyError,
  PrivilegeError,
  ReadOnlyServerError,
} from '../../../shared/database/errors.ts';
import { Logins } from '../../../shared/database/logins.ts';
import { Refusals } from '../../../shared/database/refusals.ts';
import type { Readable, SecretValue } from '../../../shared/database/secret-value.ts';
import { parseSecret } from '../../../shared/database/secret-value.ts';
import { singleUser } from '../../../shared/database/strategies/single-user.ts';
import { singleUserByAdmin } from '../../../shared/database/strategies/single-user-by-admin.ts';
import type { Work } from '../../../shared/database/work.ts';
import { Account, onto, rotationOf } from './account.ts';

function version(id: string, password: string, more: object = {}): Readable {
  const text = new Secret(JSON.stringify({ engine: 'postgres', host: 'db', username: 'app', password, ...more }));
  return {
    version: { id, arn: 'arn', text, createdAt: new Date(0) },
    value: parseSecret({ text, called: id }, postgres),
  };
}

/** AWSCURRENT is "old", AWSPENDING "new", and `others` are versions without a label, the newest first. */
function rotation({ engine }: Account, others: Readable[] = []): Work<Session> & { released: string[] } {
  const released: string[] = [];
  const current = version('current', 'old');
  return {
    engine,
    versions: {
      newestFirst: async () => others.map(({ version }) => version.id),
      byId: async (id: string) => others.find(({ version }) => version.id === id)?.version,
    } as unknown as OtherVersions,
    logins: new Logins(engine, new Deadline(60_000), current.value.endpoint, new Refusals()),
    secretArn: 'arn',
    adminSecret: {} as AdminSecret<Session>,
    adminMaySetPasswords: false,
    isRehearsal: false,
    mustHold: async (check) => check(),
    token: 'pending',
    current,
    pending: async () => version('pending', 'new'),
    requireLabels: async () => {},
    lookAhead: async () => ({ hasRoom: true }),
    readyToChange: async () => ({ hasRoom: true }),
    previous: async () => undefined,
    isPendingAlone: async () => true,
    overtaken: async () => undefined,
    release: async () => void released.push('pending'),
    released,
  };
}

type Made = typeof singleUser | typeof singleUserByAdmin;

function set(given: Work<Session>, strategy: Made = singleUser): Promise<void> {
  return strategy(onto(given)).set(rotationOf(given));
}

function withdraw(given: Work<Session>, pending?: SecretValue, strategy: Made = singleUser): Promise<void> {
  return strategy(onto(given)).withdraw(rotationOf(given), pending);
}

describe('a change by compare-and-set that finds another password', () => {
  test('is done, if it was this rotation that was faster', async () => {
    const account = new Account('old');
    account.beforeChange = () => {
      account.password = 'new';
    };
    await set(rotation(account));
    expect(account).toMatchObject({ password: 'new', changes: 0 });
  });

  test('fails, and puts nothing back, if it was somebody else', async () => {
    const account = new Account('old');
    account.beforeChange = () => {
      account.password = 'of a person';
    };
    await expect(set(rotation(account))).rejects.toThrow('refused');
    expect(account).toMatchObject({ password: 'of a person', changes: 0 });
  });
});

describe('a password that the server’s policy refuses', () => {
  const refusal = () => {
    throw new PasswordPolicyError('It was used before.');
  };

  test('is given up if it is refused at a login, too', async () => {
    const account = new Account('old');
    account.beforeChange = refusal;
    const given = rotation(account);
    await expect(set(given)).rejects.toThrow('It was used before. AWSPENDING was taken off this version');
    expect(given.released).toEqual(['pending']);
  });

  test('is not, if it is the one that another attempt has just set', async () => {
    const account = new Account('old');
    account.beforeChange = () => {
      account.password = 'new';
      refusal();
    };
    const given = rotation(account);
    await set(given);
    expect(given.released).toEqual([]);
  });

  test('is AWSCURRENT’s where that is to be put back: the label of the one in the database is kept', async () => {
    const account = new Account('old');
    account.beforeLogin = (password) => {
      if (password === 'new') account.password = 'refused everywhere';
    };
    account.beforeChange = () => {
      account.beforeChange = refusal;
    };
    const given = rotation(account);
    await expect(set(given)).rejects.toThrow('AWSPENDING is left as it is');
    expect(given.released).toEqual([]);
    expect(account.changes).toBe(1);
  });
});

describe('a change that is answered by an error which does not say that nothing has changed', () => {
  const fails = () => {
    throw new DatabaseError('The server answered with error 1699.');
  };

  test('has happened if the new password logs in', async () => {
    const account = new Account('old');
    account.beforeChange = () => {
      account.password = 'new';
      fails();
    };
    await set(rotation(account));
    expect(account.password).toBe('new');
  });

  test('has not if it is refused, and the error says so', async () => {
    const account = new Account('old');
    account.beforeChange = fails;
    await expect(set(rotation(account))).rejects.toThrow('error 1699. A login right after that was refused');
  });

  test('is not asked about where the server has refused it for good', async () => {
    const account = new Account('old');
    account.beforeChange = () => {
      throw new PrivilegeError('may not');
    };
    await expect(set(rotation(account))).rejects.toThrow(/^may not$/);
    expect(account.reached).toHaveLength(1);
  });
});

describe('a new password that the server takes and then refuses', () => {
  /** As a server that stores another password than it was sent. */
  const storesAnother = (account: Account) => {
    account.beforeLogin = () => {
      if (account.password === 'new') account.password = 'another';
    };
  };
  /** A change back compares with what the server was sent. */
  const takesBack = (account: Account) => {
    account.beforeChange = () => {
      if (account.password === 'another') account.password = 'new';
    };
  };

  test('is given up once AWSCURRENT has been put back and has logged in', async () => {
    const account = new Account('old');
    storesAnother(account);
    takesBack(account);
    const given = rotation(account);
    await expect(set(given)).rejects.toMatchObject({
      name: 'LoginRefusedError',
      message: expect.stringMatching(/then refused it, so the old one was put back: .* AWSPENDING was taken off/),
    });
    expect(given.released).toEqual(['pending']);
    expect(account).toMatchObject({ password: 'old', changes: 2 });
  });

  test('keeps its label while AWSCURRENT is refused, too', async () => {
    const account = new Account('old');
    storesAnother(account);
    takesBack(account);
    const { beforeLogin } = account;
    account.beforeLogin = (password) => {
      beforeLogin(password);
      if (account.changes === 2) account.password = 'refused everywhere';
    };
    const given = rotation(account);
    await expect(set(given)).rejects.toThrow('AWSPENDING could not be taken off');
    expect(given.released).toEqual([]);
  });
});

test('the old password is not put back if the new one is accepted by the time that nobody else can change it', async () => {
  const account = new Account('old');
  let refusals = 1;
  account.beforeLogin = (password) => {
    if (password === 'new') account.password = refusals-- > 0 ? 'for a moment' : 'new';
  };
  await expect(set(rotation(account))).rejects.toThrow('refused');
  expect(account).toMatchObject({ password: 'new', changes: 1 });
});

test('an older version’s password is tried as AWSCURRENT says to connect: never over an older version’s clear text', async () => {
  const account = new Account('older');
  await set(rotation(account, [version('older', 'older', { ssl: false, dbname: 'dropped' })]));
  expect(account.password).toBe('new');
  expect(account.reached.length).toBeGreaterThan(3);
  for (const { tls, database } of account.reached)
    expect({ tls, database }).not.toEqual({ tls: 'off', database: 'dropped' });
  for (const { tls } of account.reached) expect(tls).not.toBe('off');
});

describe('a pending version that no longer fits', () => {
  test('is let go of under the lock, AWSCURRENT proven once more', async () => {
    const account = new Account('old');
    let released = false;
    const steps: string[] = [];
    account.engine.exclusively = async (_session, _account, work) => {
      steps.push('lock');
      const result = await work(async () => void steps.push('still locked'));
      steps.push('unlock');
      return result;
    };
    account.beforeLogin = () => steps.push('login');
    const release = async () => {
      released = true;
      steps.push('release');
    };
    await withdraw({ ...rotation(account), release });
    expect(released).toBe(true);
    expect(steps).toEqual(['login', 'lock', 'login', 'still locked', 'release', 'unlock']);
  });

  test('is kept if an attempt that was on its way arrives before the lock', async () => {
    const account = new Account('old');
    account.engine.exclusively = async (_session, _account, work) => {
      account.password = 'new';
      return work(async () => {});
    };
    const release = async () => {
      throw new Error('released');
    };
    const given = { ...rotation(account), release };
    await expect(withdraw(given, version('pending', 'new').value)).rejects.toThrow('refused');
  });

  test('is kept if the lock was lost while AWSCURRENT was proven', async () => {
    const account = new Account('old');
    account.engine.exclusively = (_session, _account, work) => work(() => Promise.reject(new Error('lost')));
    const release = async () => {
      throw new Error('released');
    };
    await expect(withdraw({ ...rotation(account), release })).rejects.toThrow('lost');
  });
});

describe('an admin that sets the password at the writer, where the secret’s host is a replica,', () => {
  /** `known` is the password that the replica has; the writer has the account's. */
  function onReplica(account: Account, replica: { known: string }) {
    const asAdmin: Session = { account: { username: 'admin', realm: '' }, close: async () => {}, end: async () => {} };
    const byAdmin: ByAdmin<Session> = {
      facts: async () => ({ account: { username: 'app', realm: '' }, owners: [] }),
      setPassword: async (_admin, _account, to) => {
        account.password = to.reveal();
        account.changes++;
      },
    };
    const { login } = new Account('').engine;
    Object.assign(account.engine, {
      byAdmin: () => byAdmin,
      login: (...[to, as, until]: Parameters<typeof login>) => {
        account.beforeLogin(as.password.reveal());
        return new Account(replica.known).engine.login(to, as, until);
      },
      exclusively: async (session: Session, _account: unknown, work: (stillAlone: () => Promise<void>) => unknown) => {
        if (session !== asAdmin) throw new ReadOnlyServerError('a replica');
        return work(async () => {});
      },
    });
    const guarded = async () => ({ isAtAnotherHost: true, login: async () => asAdmin });
    const adminSecret = { guarded } as unknown as AdminSecret<Session>;
    return { ...rotation(account), adminSecret, adminMaySetPasswords: true };
  }

  test('waits until that has caught up', async () => {
    const [account, replica] = [new Account('old'), { known: 'old' }];
    let refusals = 2;
    account.beforeLogin = (password) => {
      if (password === 'new' && refusals-- === 0) replica.known = account.password;
    };
    await set(onReplica(account, replica), singleUserByAdmin);
    expect(account).toMatchObject({ password: 'new', changes: 1 });
  });

  test('does not put the old one back if that has not: it would accept the new one later, for a while', async () => {
    const [account, replica] = [new Account('old'), { known: 'old' }];
    await expect(set(onReplica(account, replica), singleUserByAdmin)).rejects.toThrow('refused');
    expect(account).toMatchObject({ password: 'new', changes: 1 });
  });

  test('sets AWSCURRENT’s again before a pending version that no longer fits is let go of: the replica may not know what was set', async () => {
    const [account, replica] = [new Account('new'), { known: 'old' }];
    let ofWriter = '';
    const release = async () => {
      ofWriter = account.password;
    };
    const given = { ...onReplica(account, replica), release };
    await withdraw(given, version('pending', 'new').value, singleUserByAdmin);
    expect(ofWriter).toBe('old');
  });
});
