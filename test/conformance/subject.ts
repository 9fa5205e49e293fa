/** What differs by engine where its duties are tested: how its servers are brought into a state, asked, and listened to. */
import type { Socket } from 'node:net';
import type { Login } from '../../local/servers/users.ts';
import type { Endpoint, Engine } from '../../shared/database/engine.ts';

/** There is no such thing on this server, and this is why: it shows in the test's title. */
export type None = { none: string };
export type OrNone<T> = T | None;

/** What a failed login comes to. */
export type Failed = { is: 'barred' | 'refused' | 'unknown'; code: string; name?: string };

/** States of an account or of where it logs in, other than a wrong password. */
export const STATES = [
  'locked',
  'expired',
  'without a password',
  'at its limit of connections',
  'blocked after failed logins',
  'known from another host only',
  'in a database that does not exist',
  'in a database that it may not use',
  'in a database that takes no connections',
  'in a database at its limit of connections',
] as const;
export type StateName = (typeof STATES)[number];

export type State = Failed & {
  /** @returns where to log in, and how to undo what is not the user's alone */
  enter(user: Login): Promise<{ to?: Partial<Endpoint>; leave?: () => Promise<unknown> }>;
};

/** What a change of a password may have to wait for. */
export const LOCKS = ['the lock of another rotation', 'another session’s hold on the account'] as const;
export type LockName = (typeof LOCKS)[number];

export type Policy = {
  code: string;
  /** The server then refuses all of them. */
  anyPassword?: boolean;
  /** @returns a password that is refused then */
  enter(user: Login): Promise<{ refused: string; leave?: () => Promise<unknown> }>;
};

export type Held = { release(): Promise<void> } & AsyncDisposable;

export type Lock = {
  /** The server's, when the wait ends. */
  code: string | undefined;
  /** What the error then says of the change. */
  says: string;
  hold(username: string): Promise<Held>;
};

export type Subject = {
  engine: Engine;
  engineKey: string;
  /** Of the accounts that are made by name alone. */
  realm: string;
  /** The server's answer to a wrong password, to an unknown user too. */
  wrongPassword: string;
  states: Record<StateName, OrNone<State>>;
  locks: Record<LockName, OrNone<Lock>>;

  /** Of this user, as the server knows them now: whether each is at work. */
  sessionsOf: OrNone<(username: string) => Promise<('at work' | 'idle')[]>>;
  /** By an administrator. */
  endSessionsOf: OrNone<(username: string) => Promise<void>>;

  /** Beyond the engine's own rules: names that are taken, that the server keeps for itself, or that it cannot take. */
  isReserved(name: string): boolean;
  /** Of the longest name, in the engine's own measure; `unit` is one of it. */
  longestName: { length: number; unit: string };
  /** Whether the engine refuses longer ones. */
  hasLongestName: OrNone<true>;
  /** A user, and names that the server takes for this user's at login. */
  takenForAnother: OrNone<() => { username: string; others: string[] }>;
  /** Characters of names that this server could trip over, beside those of all. */
  nameCharacters: readonly string[];

  /** Whether the driver can log in with this password, which the server would take. */
  canBeSent(password: string): boolean;

  /** Whether a change that begins from a password that is the account's no more is noticed. */
  comparesAndSets: OrNone<true>;
  /** Whether a failure later on undoes a change that was made alone. */
  isTransactional: OrNone<true>;
  /** A state in which the server refuses this next password of the user, and not others unless `anyPassword`. */
  policy: OrNone<Policy>;
  /** Makes the server take no writes. */
  readOnly: OrNone<{ code: string | undefined; says: string; enter(): Promise<() => Promise<unknown>> }>;
  /** What an admin that may not set passwords is told. */
  missingRight: OrNone<string>;
  /** Makes the account one that nobody should handle for somebody else. */
  power: OrNone<(username: string) => Promise<unknown>>;

  /** Something that a user has no right to unless it is granted, as the server judges it in a session of the user's. */
  right: OrNone<Right>;
  /** Whether a new twin cannot log in before it is enabled. */
  locksNewTwins: OrNone<true>;

  /** What a user needs to have two passwords. */
  allowSecondPassword(username: string): Promise<unknown>;

  /** Has the server log all statements of this user, where it does not of everybody. */
  logStatements(username: string): Promise<unknown>;
  /** How many changes of this user's own password, failed ones too, are in the log. */
  changesInLog(log: string, username: string): number;
  /** Whether the next password passes in clear where the secret turns TLS off. */
  hidesPasswordsWithoutTls: OrNone<true>;

  fake: {
    /** Speaks as the server does until TLS begins; the next bytes are the client's ClientHello. */
    untilTls(socket: Socket): Promise<void>;
    /** TLS is the first thing that is said, so that one who hangs up may have none. */
    beginsWithTls: boolean;
    /** The server's codes that a login is to be failed with, and the class of error that each becomes. */
    loginCodes: Readonly<Record<string, string>>;
    /** The same of the statement that sets the password. */
    statementCodes: Readonly<Record<string, string>>;
    /** Fails the login with everything in it that was heard, and the password. */
    failLogin(code: string, password: string): (socket: Socket) => void;
    /** Takes every login for that of `nemo`, and fails its change in the same way at one of so many statements, from 0. */
    failChange(code: string, password: string, statement: number): (socket: Socket) => void;
    statements: number;
    /** Of those, the one that sets the password. */
    change: number;
    /** What no client of this protocol can read. */
    garbage: Record<string, (socket: Socket) => void>;
  };
};

export type Right = {
  grant(username: string): Promise<Granted>;
  /** As this user, by a login of its own. */
  has(user: Login, granted: Granted): Promise<boolean>;
};
export type Granted = { what: string; revoke(): Promise<unknown>; drop(): Promise<unknown> };

export function isNone<T>(thing: OrNone<T>): thing is None {
  return typeof thing === 'object' && thing !== null && 'none' in thing;
}
