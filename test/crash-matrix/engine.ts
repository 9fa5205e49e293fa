/** What differs between the engines: all that the matrix knows of one. */
import type { Address } from '../../local/servers/source.ts';
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import type { Login, Who } from './login.ts';
import type { Protocol } from './protocol.ts';
import type { Selection } from './selection.ts';

/** By name. All of them begin with the base's. */
export type Names = { base: string; twin: string; admin: string };

/** What the server keeps of users, by name: their passwords, as it has them, too, where it shows them. */
export type Kept = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** `Statements`: one statement or several, in the engine's own language. */
export type Connection<Statements = unknown> = {
  /** @returns the rows of the last */
  run<Row>(statements: Statements): Promise<Row[]>;
  end(): Promise<void>;
  /** Resolves when it is over, whoever ended it. */
  readonly ended: Promise<void>;
};

/**
 * What not every server can do or show. What needs it cannot happen there, or is looked for in another way; the report says so. `unsupported`: why,
 * and what the matrix does about it.
 */
export type Abilities = {
  /** A twin can bear the mark of the secret that it belongs to. */
  marksTwins: Ability;
  /** Users differ in their rights, and people change them. */
  changesRights: Ability;
  /** A session of the twin sees what the base may: where not, what a person gives the base after setSecret waits for the twin's next turn. */
  showsRights: Ability;
  /** One session can keep another one from changing a user. */
  locksUsers: Ability;
  showsSessions: Ability;
  showsPasswords: Ability;
};
export type Ability = 'supported' | { unsupported: string };

export const ALL_ABILITIES: Abilities = {
  marksTwins: 'supported',
  changesRights: 'supported',
  showsRights: 'supported',
  locksUsers: 'supported',
  showsSessions: 'supported',
  showsPasswords: 'supported',
};

export interface Engine<Statements = unknown, K extends Kept = Kept> {
  readonly protocol: Protocol;
  /** Of the servers that the matrix starts. */
  readonly settings: Readonly<Record<string, string>>;
  /** The function's time-out, as a multiple of the strategy's: where the server counts its limits in seconds, less would be none. */
  readonly patience: number;
  /** Names of messages in which the function has to send a password in clear text, for the server takes nothing else. */
  readonly passwordIn: ReadonlySet<string>;

  /** Errors that a rotation without a fault gets, for it cannot know before whether it may ask. */
  readonly deniesNormally: ReadonlySet<string>;

  /**
   * Milliseconds by which the function may be ahead of others with the first login that a new password sees: where the server treats that in
   * another way than the later ones, both ways have to be the same in every run.
   */
  readonly firstLoginAhead: number;

  /** What is tried on one of its servers wherever the tests run. */
  readonly selections: readonly Selection[];

  /** One login, as cheap as it can be. Never rejects. The connection is gone when it returns. */
  login(who: Who): Promise<Login>;
  connect(who: Who): Promise<Connection<Statements>>;
  /** By asking the server. */
  abilities(connection: Pick<Connection<Statements>, 'run'>): Promise<Abilities>;
  /** The database that the secret names; sessions of the function are in it, and the prober's are not to be taken for one. */
  databaseOf(names: Names, server: Address): string;

  /** But for `sessions` and `lock` they are about rights and marks: left out where there are none to change. */
  readonly statements: {
    /** What the only user, or the base, needs for that strategy. It has been made, and may only log in. */
    prepare(names: Names, strategy: StrategyName): Statements;
    /** Rights of each kind that a twin has to have too, or that must not be its own. */
    giveRights(names: Names, database: string): Statements;
    /** Since the base was active last a person has changed its rights, and the twin has got things of its own, as the twins of AWS's functions do. */
    drift(names: Names): Statements;
    /** A person gives the base what the twin is to have too. */
    changeBase(names: Names): Statements;
    /** A person gives the twin what the base has not. */
    changeTwin(names: Names): Statements;
    /** Another secret's rotation has made this twin with the same admin, and got no further. */
    claimTwin(names: Names, otherSecret: string): Statements;
    /** Whoever alters that user, or makes it, waits until this connection ends. For servers that can do so. */
    lock(username: string, isThere: boolean): Statements;
    /**
     * For servers that show it: rows with `state` and `ms`, of what the function has open on the server.
     * @param busySince only what has been at the same statement or transaction that many milliseconds
     */
    sessions(names: Names, busySince: number): Statements;
    /** After the users are gone. */
    cleanUp(names: Names): Statements;
  };

  /** All users whose name begins with the base's. */
  kept(connection: Pick<Connection<Statements>, 'run'>, names: Names, abilities: Abilities): Promise<K>;
  /**
   * What a rotation has done that it has no business to do. `dormant` is who gets a new password: nothing else of the base and the admin may
   * change, and nothing at all of the user that AWSCURRENT names.
   */
  meddledWith(names: Names, before: K, now: K, dormant: string): string[];
  /** How the twin falls short of the base, or goes beyond it. */
  outOfLine(names: Names, kept: K): string[];
  /** How a session of the twin's differs from one of the base's. */
  actsOtherwise(names: Names, base: Connection<Statements>, twin: Connection<Statements>): Promise<string[]>;
}
