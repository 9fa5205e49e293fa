/**
 * The engine contract: what the strategies ask of a database.
 *
 * An engine applies, it never decides. The strategies choose passwords and the order of things.
 * Every method but `login`, which never throws, throws only errors of ours. A driver's error never
 * leaves the engine's folder.
 *
 * Words: the *admin* is the database login of the secret that `masterarn` names; a parameter `admin`
 * is a session of that login. The *base* is the user that people made. Its *twin* is the second user
 * of the same secret, and works with the base's rights. A *mark* at the twin names the secret and
 * the base. The *dormant* one of the two is the user that AWSCURRENT does not name.
 */

import type { Deadline } from '../core/deadline.ts';
import type { RotationError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';

/**
 * How a connection is encrypted. `off` only where the secret itself says `"ssl": false`.
 * `servername` is the name that the certificate must have, if it is not the host's. `ca` holds PEM
 * certificates of further authorities.
 */
export type Tls = 'off' | { servername?: string | undefined; ca: readonly string[] };

export type Endpoint = {
  host: string;
  port: number;
  database?: string | undefined;
  tls: Tls;
  /** The secret's values of the engine's `optionKeys`: `{ authSource: 'admin' }`. */
  options: Readonly<Record<string, string>>;
};

export type Credential = { username: string; password: Secret };

/**
 * A user as the server knows it. `realm` is what the server needs beside the name: the host part on
 * MySQL (`%`), authSource on MongoDB (`admin`), '' elsewhere.
 */
export type Account = { username: string; realm: string };

/** An open connection, with time limits on the client and on the server. */
export interface Session {
  readonly account: Account;
  /** Tells the server to end the session, and does not wait until it has. Never throws. */
  close(): Promise<void>;
  /**
   * The same, but waits until the server has ended the session, or for half a second: for a login that
   * may need its connection. Never throws.
   */
  end(): Promise<void>;
}

/** What a login tells about the password. Only `refused` leads on to the next password. */
export type LoginResult<S extends Session> =
  | { is: 'accepted'; session: S }
  /**
   * The password is right, but the account may not log in: locked, expired, NOLOGIN, at its
   * connection limit, no such database.
   */
  | { is: 'barred'; why: RotationError }
  /** The password is wrong, or the server answers as it does to a wrong one. */
  | { is: 'refused'; why: RotationError }
  /** Network, TLS, overload, deadline: nothing is known about the password. */
  | { is: 'unknown'; why: RotationError };

/**
 * What an engine can do, or why it cannot, as the end of a sentence that users read:
 * `{ unsupported: 'a role has one password only' }`.
 */
export type Capability<T> = T | { unsupported: string };

/** For an engine that was chosen because it has this capability. */
export function supported<T extends object>(capability: Capability<T>): T {
  if ('unsupported' in capability) throw new TypeError(capability.unsupported);
  return capability;
}

export interface Engine<S extends Session = Session> {
  readonly name: string;
  /** Values of the secret's key `engine`. Error messages suggest the first. */
  readonly engineKeys: readonly [string, ...string[]];
  readonly defaultPort: number;
  readonly defaultDatabase?: string;
  /** Keys of the secret that this engine reads and others do not. */
  readonly optionKeys: readonly string[];
  /** What a secret means that leaves out such a key. */
  readonly optionDefaults?: Readonly<Record<string, string>>;
  /** What else to say of a host that does not resolve: a whole sentence. */
  readonly unresolvedHint?: string;
  /**
   * Several accounts can have one name (on MySQL one for each host), and a session need not see the
   * others. Undefined if a name is one account's.
   */
  readonly sharesNames?: true;
  /**
   * `alphabet`: characters that every client, URL and server of this engine can bear. `longest`: the
   * most characters that all of them can bear.
   */
  readonly password: { alphabet: string; longest: number };

  /**
   * Why no user can have this name, as the end of a sentence (`is longer than 63 bytes`); undefined
   * if one can.
   * @param engineKey the secret's value of `engine`
   */
  usernameProblem(name: string, engineKey: string): string | undefined;

  /**
   * Makes one connection. Tries again only for want of a free one, for some seconds. Never throws.
   * The session's limits on the client and on the server are set before it returns.
   */
  login(to: Endpoint, as: Credential, until: Deadline): Promise<LoginResult<S>>;

  /**
   * As `login`, but opens the connection while the password is still awaited, up to the moment when
   * the server asks for it. If `password` is rejected, the login ends as `unknown`. Left out if the
   * driver wants the password at once.
   */
  loginAhead?(to: Endpoint, username: string, password: Promise<Secret>, until: Deadline): Promise<LoginResult<S>>;

  /**
   * Runs `work` alone for this account, as far as the server can: under a lock on the server, and in
   * one transaction. A server without such locks, or without transactions for changes of accounts,
   * does without. All changes of `work` have taken effect when `exclusively` returns. If `work`
   * throws in a transaction, none of them has.
   *
   * Do not write to AWS inside `work` unless the write stays right when the transaction rolls back.
   * Right before such a write call `stillAlone`, which asks the server and throws if the lock was
   * lost:
   *
   *     await engine.exclusively(session, account, async (stillAlone) => {
   *       await logins.prove(current);
   *       await stillAlone();
   *       await rotation.release();
   *     });
   * @param to if `work` begins with `outlook`: what that is given. The server can be asked in the message
   *   that takes the lock.
   */
  exclusively<T>(
    session: S,
    account: Account,
    work: (stillAlone: () => Promise<void>) => Promise<T>,
    to?: Endpoint,
  ): Promise<T>;

  /**
   * As `exclusively`, but nothing that `work` does lasts. A server with transactions makes the changes
   * and takes them back. On any other server, each change of `work` checks what the server tells
   * beforehand (rights, rules for passwords), throws what the change would throw, and sends nothing.
   *
   * A change that fails spoils no other one: `work` may catch the error and go on.
   */
  rehearse(session: S, account: Account, work: () => Promise<void>): Promise<void>;

  /**
   * Changes the password of the session's own user. Call it inside `exclusively`. Sends a verifier
   * (a hash, say) instead of the password if the server takes one.
   *
   * A server that can compares first: then the answer is `conflict`, and nothing has changed, if
   * `from` is no longer the password. Other servers ignore `from`.
   * @throws {PasswordPolicyError} if the server refuses the password itself
   * @throws {PrivilegeError} if the user may not change its password
   */
  changeOwnPassword(session: S, from: Secret, to: Secret): Promise<'set' | 'conflict'>;

  /**
   * What the server tells, before a password is set, about whether a login could prove it. Reads only.
   * Call it inside `exclusively`, before the first change.
   *
   * Example: a session on a MariaDB with read_only=ON may write all the same if it belongs to an
   * admin. The answer is then `{ readOnly: 'is read-only (read_only)', … }`.
   * @param account whose password is about to be set
   * @param to where that account logs in
   * @throws {DatabaseError | ConnectionError} if the server does not answer
   * @throws {UnsupportedHostError} if a pooler answers in the server's place
   */
  outlook(session: S, account: Account, to: Endpoint): Promise<Outlook>;

  /** For the strategy single-user-by-admin. */
  byAdmin(engineKey: string): Capability<ByAdmin<S>>;
  /** For the strategy alternating-users. */
  twins(engineKey: string): Capability<Twins<S>>;
  /** For the strategy dual-password. */
  overlap(engineKey: string): Capability<Overlap<S>>;
}

/** What is known of a proof before the change. What a server does not tell counts as possible. */
export type Outlook = {
  /** Why nothing may be written at this server, as the end of a sentence: `is a replica (read_only)`. */
  readOnly?: string | undefined;
  /**
   * Why no login from here, in this way, could prove the password, as the end of a sentence about the
   * account: `must show a client certificate (REQUIRE X509)`.
   */
  unprovable?: string | undefined;
  /**
   * ARNs of the secrets whose marks say that the account is their twin or their base, as far as the
   * session may see marks.
   */
  owners?: readonly string[];
  /**
   * False if the server has no connection left beside those that are open. The session that makes
   * the change then has to close before the proof.
   */
  hasRoom: boolean;
};

/** What the admin does to a lone user. */
export interface ByAdmin<S extends Session> {
  /** Sends only a verifier if the server takes one. Never unlocks the account. */
  setPassword(admin: S, account: Account, to: Secret): Promise<void>;
  /**
   * What the admin can see of a user. Undefined if there is no such user.
   * @param to where that user logs in
   * @throws {SeveralAccountsError} if the name and the place fit more than one account
   */
  facts(admin: S, username: string, to: Endpoint): Promise<AccountFacts | undefined>;
}

export type AccountFacts = {
  account: Account;
  /**
   * Why the account is too powerful for an admin to set its password on a secret's behalf, as the
   * end of a sentence: `is a superuser`.
   */
  privileged?: string | undefined;
  /** Why not even the right password logs in, as the end of a sentence: `has no LOGIN`. */
  barred?: string | undefined;
  /** ARNs of the secrets whose marks say that this account is their twin, or their twin's base. */
  owners: readonly string[];
};

/** The two users of one secret. They have the same realm. `owner` is the ARN of the secret. */
export type Pair = { base: Account; twin: Account; owner: string };

export type PairState = {
  base: UserState | undefined;
  twin: UserState | undefined;
  /** What `differences` finds at this moment, if the same message to the server has asked for it. */
  differences?: readonly Difference[];
};

export type UserState = {
  /**
   * Of the twin: the ARN in its mark. Of the base: the ARN in the mark of any other twin that works
   * as this base. Undefined if no mark says.
   */
  owner?: string | undefined;
  /**
   * True only of a twin that is of no use to anybody: it cannot log in, owns nothing, is granted to
   * nobody and holds nothing that the base lacks. An attempt that died leaves such a twin.
   */
  inert: boolean;
  /** Why not even the right password logs in, as the end of a sentence: `has no LOGIN`. */
  barred?: string | undefined;
};

/**
 * One thing in which the twin is not as the base is:
 * `{ kind: 'less', what: 'membership in "readers"', remedies: ['GRANT readers TO app_clone'] }`.
 */
export type Difference = {
  /**
   * `more`: the twin has a right that the base lacks, or owns something that the base cannot reach.
   * `less`: the twin lacks a right of the base. `setting`: everything else.
   */
  kind: 'more' | 'less' | 'setting';
  /** For people: `CREATEDB`. */
  what: string;
  /**
   * Statements that settle the difference. A person runs one of them if this session may not, or
   * must not.
   */
  remedies: readonly string[];
  /**
   * `apply` settles it outside the transaction of `exclusively`, and commits at once: objects that
   * the twin owns in another database, for example. So such differences are applied first, before
   * that transaction has changed anything.
   */
  outsideTransaction?: boolean;
  /**
   * A right on something that the twin has made: it is no right that somebody meant for the twin
   * alone. While the twin is active, `giveToBase` settles the difference.
   */
  isOnOwnWork?: boolean;
  /** `apply` does nothing about it: only a person can settle it. */
  isForPerson?: boolean;
};

/** What the admin does to a twin. Call all but `differences` inside `exclusively` for the base. */
export interface Twins<S extends Session> {
  state(admin: S, pair: Pair): Promise<PairState>;
  /**
   * Makes the twin: unable to log in if the server has a way to say so, with the mark if the server
   * has a place for one.
   * @returns `conflict` if a user of that name has appeared since `state` was read
   */
  create(admin: S, pair: Pair, to: Secret): Promise<'created' | 'conflict'>;
  /**
   * Puts the mark on an existing twin. On some engines the mark counts only when the twin has the
   * base's rights, too.
   */
  adopt(admin: S, pair: Pair): Promise<void>;
  /** The statement with which a person puts the mark on the twin, or why there can be no mark. */
  adoption(admin: S, pair: Pair): Capability<string>;
  /**
   * Compares the two users, and changes nothing. An empty list proves that they are equal. In a
   * session of the twin it also proves that the session works with the base's rights.
   * @returns `not visible` if the session may not see enough to compare
   * @throws {DormantUserError} if one of the two does not exist
   */
  differences(session: S, pair: Pair): Promise<readonly Difference[] | 'not visible'>;
  /**
   * Settles a difference at the twin, which must be dormant. May be repeated.
   * @throws {PrivilegeError} which names the right that the admin lacks
   */
  apply(admin: S, pair: Pair, difference: Difference): Promise<void>;
  /**
   * Gives the base, which must be dormant, the right on what the active twin has made. For engines
   * with such differences (`isOnOwnWork`).
   * @throws {PrivilegeError} which names the right that the admin lacks
   */
  giveToBase?(admin: S, pair: Pair, difference: Difference): Promise<void>;
  /**
   * The last change: sets the password of one of the two, and lets the twin log in.
   *
   * It lifts any lock of the twin, because nothing tells whether `create` or a person has locked it.
   * It never unlocks the base. So a person who wants to stop both users locks the base.
   * @throws as `changeOwnPassword`
   */
  enable(admin: S, pair: Pair, which: 'base' | 'twin', to: Secret): Promise<void>;
}

/**
 * Two valid passwords of the session's own user. A change replaces the *primary* one. The *secondary*
 * one logs in and can do no more. Call both methods inside `exclusively`.
 */
export interface Overlap<S extends Session> {
  /**
   * Makes `to` the primary password and `keep` the secondary one.
   * @returns `conflict` if `keep` is not the primary password now; nothing has changed then
   * @throws {PasswordPolicyError} if the server refuses the password itself
   * @throws {PrivilegeError} if the user may not change its password
   */
  changeKeeping(session: S, keep: Secret, to: Secret): Promise<'set' | 'conflict'>;
  /**
   * Makes `keep`, which is one of the two passwords, the primary one. The secondary one stays as it
   * is. May be repeated.
   * @throws {RetainedPasswordError} if the server forbids it
   */
  reanchor(session: S, keep: Secret): Promise<void>;
}
