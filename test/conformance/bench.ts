/** One engine on one server, over TLS or in clear text, and what the tests of all duties ask of it. */
import { expect, test } from '@jest/globals';
import type { Server } from '../../local/servers/server.ts';
import type { Users } from '../../local/servers/users.ts';
import { Deadline } from '../../shared/core/deadline.ts';
import type { RotationError } from '../../shared/core/errors.ts';
import { Secret } from '../../shared/core/secret.ts';
import type { Credential, Endpoint, LoginResult, Session, Tls } from '../../shared/database/engine.ts';
import { certificatesIn } from '../../shared/database/tls.ts';
import { usersOf } from '../engines/servers.ts';
import { tls as certificates } from '../fixtures/tls/tls.ts';
import { type SharedServer, testUnless } from '../servers.ts';
import type { Place, Relay } from './relay.ts';
import { type Held, isNone, type LockName, type None, type StateName, type Subject } from './subject.ts';
import { unique } from './unique.ts';
import type { Wire } from './wires.ts';

export type User = Credential & AsyncDisposable;

const aMinute = () => new Deadline(60_000);

/** The certificate is for this name, which need not be the host's. */
export const TLS_NAME = 'localhost';

export const trusting = (pem: string, servername?: string): Tls => ({ ca: certificatesIn(pem) ?? [], servername });

export class Bench {
  readonly server: SharedServer;
  /** Why this server may not be spoilt; undefined if no other test file uses it. */
  readonly isShared: string | undefined;
  readonly wire: Wire;
  readonly subject: Subject;
  readonly users: Users;

  constructor(server: SharedServer | Server, isShared: string | undefined, wire: Wire, subject: Subject) {
    this.server = server;
    this.isShared = isShared;
    this.wire = wire;
    this.subject = subject;
    this.users = usersOf(server);
  }

  get engine() {
    return this.subject.engine;
  }

  /** Makes a user, who is dropped when the test ends. */
  async user({ username = unique(), password = unique('password') } = {}): Promise<User> {
    await this.users.createUser({ username, password });
    return this.#own(username, password);
  }

  async admin({ username = unique('admin'), password = unique('password') } = {}): Promise<User> {
    await this.users.createAdmin({ username, password });
    return this.#own(username, password);
  }

  /** A user that `admin` made, where that matters. */
  async userOf(admin: Credential, { username = unique(), password = unique('password') } = {}): Promise<User> {
    await this.users.createUser({ username, password }, admin.username);
    return this.#own(username, password);
  }

  #own(username: string, password: string): User {
    return {
      username,
      password: new Secret(password),
      [Symbol.asyncDispose]: () => this.users.dropUser(username),
    };
  }

  endpoint(more: Partial<Endpoint> = {}): Endpoint {
    const { host, port } = this.server;
    const tls: Tls = this.wire === 'TLS' ? trusting(certificates.ca, TLS_NAME) : 'off';
    return { host, port, tls, options: {}, ...more };
  }

  login(as: Credential, more: Partial<Endpoint> = {}, until = aMinute()): Promise<LoginResult<Session>> {
    return this.engine.login(this.endpoint(more), as, until);
  }

  /** Of a login that has to be accepted; closed when the test ends. */
  async session(as: Credential, until = aMinute(), through: Partial<Place> = {}): Promise<Session & AsyncDisposable> {
    const result = await this.login(as, through, until);
    if (result.is !== 'accepted') throw result.why;
    const { session } = result;
    return Object.assign(session, { [Symbol.asyncDispose]: () => session.close() });
  }

  async outcome({ username }: { username: string }, password: Secret): Promise<LoginResult<Session>['is']> {
    const result = await this.login({ username, password });
    if (result.is === 'accepted') await result.session.close();
    return result.is;
  }

  /** As a rotation does it. */
  change(session: Session, from: Secret, to: Secret): Promise<'set' | 'conflict'> {
    return this.engine.exclusively(session, session.account, () => this.engine.changeOwnPassword(session, from, to));
  }

  async expectChanged(user: Credential, to: Secret): Promise<void> {
    expect(await this.outcome(user, to)).toBe('accepted');
    expect(await this.outcome(user, user.password)).toBe('refused');
  }

  async expectUnchanged(user: Credential, to: Secret): Promise<void> {
    expect(await this.outcome(user, to)).toBe('refused');
    expect(await this.outcome(user, user.password)).toBe('accepted');
  }

  /** A user in a state, and where it logs in then. */
  async userIn(name: StateName): Promise<{ user: User; to: Partial<Endpoint> } & AsyncDisposable> {
    const state = this.subject.states[name];
    if (isNone(state)) throw new TypeError(state.none);
    await using cleanUp = new AsyncDisposableStack();
    const user = cleanUp.use(await this.user());
    const { to = {}, leave } = await state.enter({ username: user.username, password: user.password.reveal() });
    cleanUp.defer(async () => void (await leave?.()));
    const made = cleanUp.move();
    return { user, to, [Symbol.asyncDispose]: () => made.disposeAsync() };
  }

  async hold(name: LockName, username: string): Promise<Held> {
    const lock = this.subject.locks[name];
    if (isNone(lock)) throw new TypeError(lock.none);
    return lock.hold(username);
  }

  /** By the server's own word, if it can say so: `testNone` says where it cannot. */
  async sessionsOf(username: string): Promise<('at work' | 'idle')[]> {
    const { sessionsOf } = this.subject;
    return isNone(sessionsOf) ? [] : sessionsOf(username);
  }

  async isGone(username: string, wire: Relay): Promise<boolean> {
    return wire.open() === 0 && (await this.sessionsOf(username)).length === 0;
  }

  /** `test`, for what spoils a server for others. */
  get testAlone() {
    return testUnless(this.isShared);
  }
}

/** Says in the report that there is no such thing, and why. */
export function testNone(what: string, { none }: None): void {
  test(`${what}: none, as ${none}`, () => {});
}

/** The error that this comes to; it must fail. */
export async function failure(work: Promise<unknown>): Promise<RotationError> {
  const [result] = await Promise.allSettled([work]);
  if (result.status === 'fulfilled') throw new Error('it did not fail');
  return result.reason;
}
