/** A database account as a kind of secret. */

import { lookup } from 'node:dns/promises';
import type { Deadline } from '../core/deadline.ts';
import { RotationError } from '../core/errors.ts';
import type { Kind } from '../core/kind.ts';
import type { Session } from './engine.ts';
import { HostNotFoundError } from './errors.ts';
import { parseSecret, type SecretValue } from './secret-value.ts';
import { strategiesOf } from './strategies/choose.ts';
import { Database, type Tools } from './work.ts';

/**
 * The kind of secret whose text says who logs in where, with which password. A new value works once
 * the database has its password.
 */
export function databaseAccounts<S extends Session>(tools: Tools<S>): Kind<SecretValue> {
  const { engine, deadline, settings, warnings } = tools;
  const strategies = strategiesOf(new Database(tools));
  return {
    parse(text) {
      const value = parseSecret(text, engine);
      if (value.endpoint.tls === 'off')
        warnings.add('The secret says "ssl": false: passwords and statements cross the network in clear text.');
      return value;
    },
    choose: (current, tagged) => strategies.choose(current, tagged ?? settings.defaultStrategy),
    proving: (pending) => strategies.proving(pending),
    following: (current, pending) => strategies.following(current, pending),
    withdrawing: (chosen, current, pending) => strategies.withdrawing(chosen, current, pending),
    precheck: ({ endpoint: { host } }) => requireHost(host, engine.unresolvedHint, deadline),
  };
}

/**
 * Looks the host up, so that a misspelt one fails before anything is stored.
 * @throws {HostNotFoundError | DeadlineError}
 */
async function requireHost(host: string, hint: string | undefined, deadline: Deadline): Promise<void> {
  try {
    await deadline.spend('connecting', `the DNS look-up of ${host}`, () => lookup(host));
  } catch (error) {
    if (error instanceof RotationError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new HostNotFoundError(
      `The host ${host} does not resolve (${code}): correct the secret's "host", or the VPC's DNS.${hint === undefined ? '' : ` ${hint}`}`,
      { host, code },
    );
  }
}
