/** The Lambda function for one engine. */

import { type Invocation, stepHandler } from '../core/handler.ts';
import type { Engine, Session } from './engine.ts';
import { databaseAccounts } from './kind.ts';
import { Rds } from './rds.ts';
import { Refusals } from './refusals.ts';
import { DatabaseSettings } from './settings.ts';
import { trusting } from './tls.ts';

/** Makes the Lambda function that rotates the accounts of one engine. */
export function rotationHandler<S extends Session>(engine: Engine<S>) {
  const refusals = new Refusals();
  return stepHandler(engine.name, ({ environment, versions, deadline, event, warnings }: Invocation) => {
    const settings = new DatabaseSettings(environment);
    return databaseAccounts({
      engine: trusting(engine, () => settings.privateCa),
      versions,
      databases: new Rds(deadline),
      deadline,
      settings,
      refusals,
      secretId: event.secretId,
      warnings,
    });
  });
}
