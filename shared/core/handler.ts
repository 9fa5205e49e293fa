/**
 * The Lambda function around one step: settings, deadline, log line, metrics. No other file knows
 * Lambda.
 */

import { setFlagsFromString } from 'node:v8';
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import middy, { type MiddlewareObj } from '@middy/core';
import { Deadline } from './deadline.ts';
import { ownError, type RotationError } from './errors.ts';
import { parseEvent, type RotationEvent } from './event.ts';
import type { Kind } from './kind.ts';
import { Proven } from './proven.ts';
import { type Outcome, type Report, runStep } from './rotation.ts';
import { Settings } from './settings.ts';
import { connectSecretsManager, SecretVersions } from './versions.ts';

// V8 lets the heap grow rather than collect early. After 60 rotations over TLS in one process MySQL's
// function had 238 MB, and with this flag 102. It costs 2 to 13 % more processor time.
setFlagsFromString('--optimize-for-size');

/**
 * The part of Lambda's context that we use,
 * https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html
 */
type LambdaContext = { functionName: string; getRemainingTimeInMillis(): number };

/** What the log line will say about the step, as far as it is known. */
type Journal = { startedAt: number; event?: RotationEvent; report: Report };

/** What a kind of secret gets for one step. */
export type Invocation = {
  environment: NodeJS.ProcessEnv;
  event: RotationEvent;
  /** The versions of the secret that is rotated. */
  versions: SecretVersions;
  deadline: Deadline;
  /** Sentences that are logged with the step, each once. */
  warnings: Set<string>;
};

/**
 * Makes the Lambda function for one target.
 * @param target as it stands in the log and the metrics: `PostgreSQL`
 * @param kindOf makes the kind of secret for one step
 */
export function stepHandler<V>(target: string, kindOf: (invocation: Invocation) => Kind<V>) {
  const journals = new WeakMap<object, Journal>();
  const proven = new Proven();

  async function step(input: unknown, context: LambdaContext): Promise<Outcome> {
    const journal: Journal = { startedAt: performance.now(), report: { warnings: new Set() } };
    journals.set(context, journal);
    const event = parseEvent(input);
    journal.event = event;
    const { report } = journal;
    const environment = process.env;
    const deadline = new Deadline(context.getRemainingTimeInMillis());
    const client = connectSecretsManager(new Settings(environment).secretsManagerEndpoint);
    const versions = new SecretVersions(client, event.secretId, deadline);
    const kind = kindOf({ environment, event, versions, deadline, warnings: report.warnings });
    return await runStep({ kind, versions, deadline, event, proven, report });
  }

  return middy().use(journalling(target, journals)).handler(step);
}

/**
 * Writes one JSON line and the metrics of a step. Lets no error out but our own. Never logs the
 * event, which may carry a RotationToken.
 */
function journalling(engine: string, journals: WeakMap<object, Journal>): MiddlewareObj<unknown, Outcome> {
  const logger = new Logger({ serviceName: 'secret-rotation' });
  const metrics = new Metrics({ namespace: 'SecretRotation', serviceName: 'secret-rotation' });

  function record(journal: Journal | undefined, outcome: string) {
    const durationMs = Math.round(performance.now() - (journal?.startedAt ?? performance.now()));
    const step = journal?.event?.step ?? 'unknown';
    const strategy = journal?.report.strategy ?? 'unknown';
    const { secretId: secretArn, token: versionId } = journal?.event ?? {};
    const fields = { secretArn, versionId, step, engine, strategy, outcome, durationMs };
    for (const warning of journal?.report.warnings ?? []) logger.warn(warning, fields);
    return fields;
  }

  /**
   * Has the function as its only dimension: an alarm has to name every dimension of the metric it
   * watches. A metric costs many times what a step does, so there are two. The log line has
   * the rest.
   */
  function count(metric: 'Rotations' | 'FailedSteps', { functionName }: LambdaContext) {
    metrics.singleMetric().addDimension('function_name', functionName).addMetric(metric, MetricUnit.Count, 1);
  }

  return {
    after: (request) => {
      const outcome = request.response ?? 'done';
      const fields = record(journals.get(request.context), outcome);
      logger.info(`Step ${outcome}.`, fields);
      if (fields.step === 'finishSecret' && outcome === 'done') count('Rotations', request.context);
    },
    onError: (request) => {
      const error = ownError(request.error);
      logger.error(error.message, { ...record(journals.get(request.context), 'failed'), ...cause(error) });
      count('FailedSteps', request.context);
      request.error = error;
    },
  };
}

function cause({ name, layer, retryHelps, user, host, code }: RotationError) {
  return { cause: { name, layer, retryHelps, user, host, code } };
}
