import type { Deadline } from '../core/deadline.ts';
import type { RotationError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';

/** `off` only where the secret itself says `"ssl": false`. */
export type Tls = 'off' | { servername?: string | undefined; ca: readonly string[] };

export type Endpoint = {
  host: string;
  port: number;
  database?: string | undefined;
  tls: Tls;
  /** The secret's values of the engine's `optionKeys`. */
  options: Readonly<Record<string, string>>;
};

export type Credential = { username: string; password: Secret };

/** Whom a server takes a session for. Realm: MySQL's host part, MongoDB's authSource, else ''. */
export type Account = { username: string; realm: string };

/** An open connection, with its time limits set on both sides. */
export interface Session {
  readonly account: Account;
  /** Never throws and never outlasts the deadline; the server's side is gone, or told to go, when it returns. */
  close(): Promise<void>;
}

/** What an attempt to log in proves about the password. Only `refused` leads on to the next candidate. */
export type LoginResult<S extends Session> =
  | { is: 'accepted'; session: S }
  /** The password is right, the account may not: locked, expired, NOLOGIN, connection limit, no such database. */
  | { is: 'barred'; why: RotationError }
  /** The password is wrong, or the server's answer cannot be told from that. */
  | { is: 'refused'; why: RotationError }
  /** Network, TLS, overload, deadline: proves nothing. */
  | { is: 'unknown'; why: RotationError };

/** What an engine can do, or why it cannot, in words a user reads: "<engine> … : <unsupported>". */
export type Capability<T> = T | { unsupported: string };

/** Of an engine that was chosen because it can. */
export function supported<T extends object>(capability: Capability<T>): T {
  if ('unsupported' in capability) throw new TypeError(capability.unsupported);
  return capability;
}

/**
 * What the core asks of a database. An engine applies, it never decides: passwords and the order of things are the
 * core's. Every method but `login` throws errors of errors.ts only; a driver's error never leaves the engine's folder.
 */
export interface Engine<S extends Session = Session> {
  readonly name: string;
  /** Values of the secret's `engine` key, the first being the one that error messages suggest. */
  readonly engineKeys: readonly [string, ...string[]];
  readonly defaultPort: number;
  readonly defaultDatabase?: string;
  /** Keys of the secret that this engine reads beyond the common ones. */
  readonly optionKeys: readonly string[];
  /** Characters that every client, URL and server of this engine can bear, and the longest password they all can. */
  readonly password: { alphabet: string; longest: number };

  /** Why this name cannot be a user's, as the end of a sentence; undefined if it can. */
  usernameProblem(name: string, engineKey: string): string | undefined;

  /** One connection, no retry. Never throws. Limits are set on the client and on the server before it returns. */
  login(to: Endpoint, as: Credential, until: Deadline): Promise<LoginResult<S>>;

  /**
   * Runs `work` alone for this account: under a server lock where there is one, in one transaction where account changes
   * take part in them, else just so. When it returns, the work has taken effect; when `work` throws, nothing has, where there are
   * transactions. No write to AWS inside that would be wrong if the transaction then failed.
   * `stillAlone` asks the server, and throws if the lock was lost: to be called right before a write to AWS that rests on it.
   */
  exclusively<T>(session: S, account: Account, work: (stillAlone: () => Promise<void>) => Promise<T>): Promise<T>;

  /**
   * The session's own password, inside `exclusively`. Compare-and-set where the server can: `conflict` if `from` is the
   * password no more. Sends a verifier instead of the password where the server takes one.
   * @throws PasswordPolicyError if the server refuses the password itself, PrivilegeError if the user may not
   */
  changeOwnPassword(session: S, from: Secret, to: Secret): Promise<'set' | 'conflict'>;

  byAdmin(engineKey: string): Capability<ByAdmin<S>>;
  twins(engineKey: string): Capability<Twins<S>>;
  overlap(engineKey: string): Capability<Overlap<S>>;
}

/** Setting another account's password. */
export interface ByAdmin<S extends Session> {
  /** A verifier only, where the server takes one; never unlocks. */
  setPassword(admin: S, account: Account, to: Secret): Promise<void>;
  /**
   * Undefined where there is no such user. `to`: where that user logs in.
   * @throws SeveralAccountsError where name and place do not tell which account is meant
   */
  facts(admin: S, username: string, to: Endpoint): Promise<AccountFacts | undefined>;
}

export type AccountFacts = {
  account: Account;
  /** What makes the account too powerful to be handled for somebody else, as the end of a sentence: "is a superuser". */
  privileged?: string | undefined;
  /** Why it could not log in even with the right password, as the end of a sentence: "has no LOGIN". */
  barred?: string | undefined;
  /** The ARNs of the secrets whose twin, or whose base, it is by a mark, where the engine has a place for one. */
  owners: readonly string[];
};

/** Two users of one secret, of one realm. `owner` is the ARN of that secret. */
export type Pair = { base: Account; twin: Account; owner: string };

export type PairState = { base: UserState | undefined; twin: UserState | undefined };

export type UserState = {
  /** The ARN in the twin's mark; of a base, the ARN in the mark of some other twin that works as it. */
  owner?: string | undefined;
  /** Of a twin: it cannot log in, owns nothing, is granted to nobody and holds nothing that the base lacks. */
  inert: boolean;
  /** Why it could not log in even with the right password, as the end of a sentence: "has no LOGIN". */
  barred?: string | undefined;
};

/** Seen from the twin. */
export type Difference = {
  /** `more`: a right that the base lacks, or something that the base cannot reach. `less`: a right that the base has. `setting`: all else. */
  kind: 'more' | 'less' | 'setting';
  /** For people: `CREATEDB`. */
  what: string;
  /** Statements of which a person may choose one, to settle what this session may not or must not change. */
  remedies: readonly string[];
  /** Settled outside the transaction of `exclusively`, and so before anything is changed in it. */
  elsewhere?: boolean;
};

/** The alternate user that works with the base's rights. All but `differences` inside `exclusively` for the base. */
export interface Twins<S extends Session> {
  state(admin: S, pair: Pair): Promise<PairState>;
  /** Unable to log in where the server can say so, carrying the mark where it has a place. `conflict` if it appeared meanwhile. */
  create(admin: S, pair: Pair, to: Secret): Promise<'created' | 'conflict'>;
  /** Puts the mark on a twin that is there; it need not count before the twin is in line with the base. */
  adopt(admin: S, pair: Pair): Promise<void>;
  /** The statement with which a person puts the mark on it, or why there can be no mark. */
  adoption(admin: S, pair: Pair): Capability<string>;
  /**
   * Reads only. Empty is the proof of equality; a session that cannot see says so. In a session of the twin's own also that it works with
   * the base's rights.
   */
  differences(session: S, pair: Pair): Promise<readonly Difference[] | 'not visible'>;
  /** To the twin, which must be dormant; repeatable. @throws PrivilegeError that names the right that is missing */
  apply(admin: S, pair: Pair, difference: Difference): Promise<void>;
  /**
   * Last: password and login. Lifts whatever lock the twin has, as nothing tells whether `create` put it on or a person; none of the base's,
   * so whoever is to stop both locks the base.
   * @throws as `changeOwnPassword`
   */
  enable(admin: S, pair: Pair, which: 'base' | 'twin', to: Secret): Promise<void>;
}

/**
 * Two valid passwords of the session's own user: the primary one is what a change replaces, the secondary one only logs in. All inside
 * `exclusively`.
 */
export interface Overlap<S extends Session> {
  /**
   * `to` becomes primary and `keep` secondary; `conflict` if `keep` is not primary now, and then nothing has changed.
   * @throws PasswordPolicyError if the server refuses the password itself, PrivilegeError if the user may not
   */
  changeKeeping(session: S, keep: Secret, to: Secret): Promise<'set' | 'conflict'>;
  /** `keep`, one of the two, becomes primary; the secondary one stays. Repeatable. @throws RetainedPasswordError if the server forbids it */
  reanchor(session: S, keep: Secret): Promise<void>;
}
