/** What differs between the engines where their rotations are tested. */
export type RotatedEngine = {
  /** As it stands in the log. */
  name: string;
  /** The packages that its driver is made of, by name. */
  driver: RegExp;

  /** A user's change of its own password, as the server's log of every statement has it. */
  changeInLog: RegExp;
  /** What has the server log every statement, where it does not do so in all tests. */
  everyStatement: Readonly<Record<string, string>>;
  /** A login over TLS in the server's log; left out where a server with TLS takes no plain text. */
  loginOverTls?: (user: string) => RegExp;

  /** A part of the message with which an admin's change is made. */
  changeByAdmin: string;
  /** A lock of the server keeps two attempts apart. Else one of them may fail. */
  hasLock: boolean;
  /** The statement that leaves a user one connection; left out where the server limits those of all. */
  oneConnection?: (user: string) => string;

  /** What the statement has that makes a user called like the twin the pair's. */
  adoption: (pair: { base: string; twin: string; secret: string }) => string;
  /** Makes a user a member of another one, which comes nearest to a twin; left out where users have no members. */
  member?: (user: string, of: string) => string;
  /** Lets a user see which other users there are; left out where all may, or none can. */
  seesUsers?: (user: string) => string;
};
