/** The steps as the Lambda function takes them, without Lambda: in the process of whoever calls them, and with that one's client. */
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Invocation } from '../../local/secrets-manager/rotation.ts';
import { Deadline } from '../../shared/core/deadline.ts';
import { ownError } from '../../shared/core/errors.ts';
import { parseEvent } from '../../shared/core/event.ts';
import { Proven } from '../../shared/core/proven.ts';
import { runStep } from '../../shared/core/rotation.ts';
import { SecretVersions } from '../../shared/core/versions.ts';
import type { Engine, Session } from '../../shared/database/engine.ts';
import { databaseAccounts } from '../../shared/database/kind.ts';
import { Rds } from '../../shared/database/rds.ts';
import { Refusals } from '../../shared/database/refusals.ts';
import { DatabaseSettings } from '../../shared/database/settings.ts';

export type Given = {
  client: SecretsManagerClient;
  /** The function's variables. */
  environment: Readonly<Record<string, string>>;
  /** The function's time-out. */
  timeoutMs: number;
};

export type TakeStep = (event: Record<string, unknown>, given: Given) => Promise<Invocation>;

/** What a process of the function remembers from one step to the next, it alone remembers. */
export type StartProcess = () => TakeStep;

export function processesOf<S extends Session>(engine: Engine<S>): StartProcess {
  return () => {
    const proven = new Proven();
    const refusals = new Refusals();
    return async (input, { client, environment, timeoutMs }) => {
      const started = performance.now();
      const ms = () => performance.now() - started;
      try {
        const event = parseEvent(input);
        const deadline = new Deadline(timeoutMs);
        const versions = new SecretVersions(client, event.secretId, deadline);
        const report = { warnings: new Set<string>() };
        const kind = databaseAccounts({
          engine,
          versions,
          databases: new Rds(deadline),
          deadline,
          settings: new DatabaseSettings(environment),
          refusals,
          secretId: event.secretId,
          warnings: report.warnings,
        });
        await runStep({ kind, versions, deadline, event, proven, report });
        return { outcome: 'success', ms: ms() };
      } catch (error) {
        const { name, message } = ownError(error);
        return { outcome: 'error', error: { errorType: name, errorMessage: message }, ms: ms() };
      }
    };
  };
}
