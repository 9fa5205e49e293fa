/** What differs between the engines: all that the matrix knows of one. A module each says it, and `engines` names them. */
import type { RowName, rows } from '../../local/servers/rows.ts';
import type { Address } from '../../local/servers/source.ts';
import type { Login, Who } from './login.ts';
import type { Protocol } from './protocol.ts';
import type { StrategyName } from './strategies.ts';

/** An engine's name in a secret. */
export type EngineKey = (typeof rows)[RowName]['engineKey'];

/** By name. All of them begin with the base's. */
export type Names = { base: string; twin: string; admin: string };

/** What the server keeps of users, by name: their passwords, as it has them, too. */
export type Kept = ReadonlyMap<string, unknown>;

export type Connection = {
  /** One statement or several; the rows of the last. */
  run<Row>(statements: string): Promise<Row[]>;
  end(): Promise<void>;
  /** Resolves when it is over, whoever ended it. */
  readonly ended: Promise<void>;
};

export interface Engine<K extends Kept = Kept> {
  readonly protocol: Protocol;
  /** Of the servers that the matrix starts. */
  readonly settings: Readonly<Record<string, string>>;
  /** The function's time-out, as a multiple of the strategy's: where the server counts its limits in seconds, less would be none. */
  readonly patience: number;
  /** Whether a twin can bear the mark of the secret that it belongs to. */
  readonly marksTwins: boolean;
  /** Whether a session of the twin sees what the base may: where not, what a person gives the base after setSecret waits for the twin's next turn. */
  readonly showsRights: boolean;
  /** Names of messages in which the function has to send a password in clear text, for the server takes nothing else. */
  readonly passwordIn: ReadonlySet<string>;

  /** Errors that a rotation without a fault gets, for it cannot know before whether it may ask. */
  readonly deniesNormally: ReadonlySet<string>;

  /**
   * Milliseconds by which the function may be ahead of others with the first login that a new password sees: where the server treats that in
   * another way than the later ones, both ways have to be the same in every run.
   */
  readonly firstLoginAhead: number;

  /** One login, as cheap as it can be. Never rejects. The connection is gone when it returns. */
  login(who: Who): Promise<Login>;
  connect(who: Who): Promise<Connection>;
  /** The database that the secret names; sessions of the function are in it, and the prober's are not to be taken for one. */
  databaseOf(names: Names, server: Address): string;

  readonly statements: {
    /** What the only user, or the base, needs for that strategy. It has been made, and has no right yet. */
    prepare(names: Names, strategy: StrategyName): string;
    /** Rights of each kind that a twin has to have too, or that must not be its own. */
    giveRights(names: Names, database: string): string;
    /** Since the base was active last a person has changed its rights, and the twin has got things of its own, as the twins of AWS's functions do. */
    drift(names: Names): string;
    /** A person gives the base what the twin is to have too. */
    changeBase(names: Names): string;
    /** A person gives the twin what the base has not. */
    changeTwin(names: Names): string;
    /** Another secret's rotation has made this twin with the same admin, and got no further. */
    claimTwin(names: Names, otherSecret: string): string;
    /** Whoever alters that user, or makes it, waits until this connection ends. */
    lock(username: string, isThere: boolean): string;
    /**
     * Rows with `state` and `ms`, of what the function has open on the server.
     * @param busySince only what has been at the same statement or transaction that many milliseconds
     */
    sessions(names: Names, busySince: number): string;
    /** After the users are gone. */
    cleanUp(names: Names): string;
  };

  /** All users whose name begins with the base's. */
  kept(connection: Pick<Connection, 'run'>, names: Names): Promise<K>;
  /**
   * What a rotation has done that it has no business to do. `dormant` is who gets a new password: nothing else of the base and the admin may
   * change, and nothing at all of the user that AWSCURRENT names.
   */
  meddledWith(names: Names, before: K, now: K, dormant: string): string[];
  /** How the twin falls short of the base, or goes beyond it. */
  outOfLine(names: Names, kept: K): string[];
  /** How a session of the twin's differs from one of the base's. */
  actsOtherwise(names: Names, base: Connection, twin: Connection): Promise<string[]>;
}
