/**
 * An engine in under a hundred lines: a database in memory, in which a user has one password. ARCHITECTURE.md points here for what an
 * engine has to say. A real one sends statements, and sets a time limit on both sides of each connection.
 */
import type { Account, ByAdmin, Credential, Engine, LoginResult, Session } from '../../../shared/database/engine.ts';
import { LoginBarredError, LoginRefusedError, PrivilegeError } from '../../../shared/database/errors.ts';
import { UNRESERVED } from '../../../shared/database/password.ts';

type User = { password: string; mayCreateUsers?: boolean; isLocked?: boolean };

/** Every call may be the last thing that an invocation does: `around` is told before and after each. */
export class ToyDatabase {
  readonly users = new Map<string, User>();
  readonly logins = { accepted: 0, refused: 0 };
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #around: <T>(call: () => T) => T;

  constructor(around: <T>(call: () => T) => T = (call) => call()) {
    this.#around = around;
  }

  async call<T>(work: (users: ReadonlyMap<string, User>) => T): Promise<T> {
    return this.#around(() => work(this.users));
  }

  /** One after the other, for each name. */
  inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#queues.get(name) ?? Promise.resolve()).then(work);
    this.#queues.set(
      name,
      result.catch(() => {}),
    );
    return result;
  }
}

export function toyEngine(database: ToyDatabase): Engine {
  /** The server decides this, whatever the engine believes. */
  const requirePower = ({ username: user }: Account) =>
    database.call((users) => {
      if (!users.get(user)?.mayCreateUsers)
        throw new PrivilegeError(`${user} may not create users: grant it that right.`, { user });
    });

  const byAdmin: ByAdmin<Session> = {
    async setPassword(admin, { username }, to) {
      await requirePower(admin.account);
      await database.call((users) => Object.assign(users.get(username) ?? {}, { password: to.reveal() }));
    },
    async facts(admin, username) {
      await requirePower(admin.account);
      const found = await database.call((users) => users.get(username));
      if (found === undefined) return undefined;
      return {
        account: { username, realm: '' },
        ...(found.mayCreateUsers && { privileged: 'may create users' }),
        ...(found.isLocked && { barred: 'is locked' }),
        owners: [],
      };
    },
  };

  async function login({ username: user, password }: Credential, host: string): Promise<LoginResult<Session>> {
    const found = await database.call((users) => users.get(user));
    const isRight = found?.password === password.reveal();
    database.logins[isRight ? 'accepted' : 'refused']++;
    if (!isRight) return { is: 'refused', why: new LoginRefusedError(`${host} refuses ${user}.`, { user, host }) };
    if (found.isLocked) return { is: 'barred', why: new LoginBarredError(`${user} is locked.`, { user, host }) };
    return {
      is: 'accepted',
      session: { account: { username: user, realm: '' }, close: async () => {}, end: async () => {} },
    };
  }

  return {
    name: 'Toy',
    engineKeys: ['toy'],
    defaultPort: 1,
    optionKeys: [],
    password: { alphabet: UNRESERVED, longest: 100 },
    usernameProblem: (name) => (name.includes('\0') ? 'has a NUL in it' : undefined),
    login: (to, as) => login(as, to.host),
    // Nothing is undone if the work fails: in this database every change takes effect at once.
    exclusively: (_, { username }, work) => database.inTurn(username, () => work(async () => {})),
    // Says nothing beforehand about a change.
    rehearse: async () => {},
    changeOwnPassword: ({ account }, from, to) =>
      database.call((users) => {
        const own = users.get(account.username);
        if (own?.password !== from.reveal()) return 'conflict';
        own.password = to.reveal();
        return 'set';
      }),
    outlook: async () => ({ hasRoom: true }),
    byAdmin: () => byAdmin,
    twins: () => ({ unsupported: 'no two users have the same rights' }),
    overlap: () => ({ unsupported: 'a user has one password' }),
  };
}
