/** What differs between the demo on one engine and on another. */
import type { StrategyName } from '../../shared/database/strategies/facts.ts';
import type { ServerDescription, ServerOptions } from '../servers/server.ts';
import type { Logins } from '../servers/users.ts';

/** Who logs in where: each to a database of its own, so that the server's log tells them apart. */
export const VISITORS = ['rotation', 'application', 'prober'] as const;
export type Visitor = (typeof VISITORS)[number];

export type Credential = { username: string; password: string };

/** Whom the server has. The admin is as on RDS: no superuser, but it makes users, the application's among them. */
export type Roles = { admin: Credential; user: Credential };

/** `unreachable` is whatever says nothing about the password. */
export type Answer = 'accepted' | 'refused' | 'unreachable';

export interface DemoEngine {
  /** Of the server, which is one of the newest version. */
  readonly options: ServerOptions;
  /** Where the server comes from, in a sentence for people. */
  readonly origin: string;
  /** What the application does, as the end of a sentence. */
  readonly work: string;

  /** Makes users and databases. Whatever it makes where somebody else runs the server is to be removed by `cleanUp`. */
  prepare(
    server: ServerDescription,
    roles: Roles,
    strategy: StrategyName,
    cleanUp: AsyncDisposableStack,
  ): Promise<void>;
  /** Whether a twin can bear a mark that tells whose it is. */
  hasMarks(server: ServerDescription): Promise<boolean>;
  /** One login, what an application does if that is asked for, and out again. Never throws. */
  login(server: ServerDescription, visitor: Visitor, as: Credential, isToWork: boolean): Promise<Answer>;
  /** What this part of the server's own log says about the function's logins, as whichever user. */
  loginsOfFunction(log: string): Logins;
}
