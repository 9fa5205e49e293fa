import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import middy, { type MiddlewareObj } from '@middy/core';
import { Deadline } from './deadline.ts';
import type { Engine, Session } from './engine.ts';
import { ownError, type RotationError } from './errors.ts';
import { parseEvent, type RotationEvent } from './event.ts';
import { Rds } from './rds.ts';
import { type Outcome, type Report, runStep } from './rotation.ts';
import { Settings } from './settings.ts';
import { trusting } from './tls.ts';
import { connectSecretsManager, SecretVersions } from './versions.ts';

/** Of Lambda's context, https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html, what we use. */
type LambdaContext = { functionName: string; getRemainingTimeInMillis(): number };

/** A step on its way through the chain: what the log line says of it, as far as it is known. */
type Journal = { startedAt: number; event?: RotationEvent; report: Report };

/** The Lambda function for one engine: the only place that knows Lambda. */
export function rotationHandler<S extends Session>(engine: Engine<S>) {
  const journals = new WeakMap<object, Journal>();

  async function step(input: unknown, context: LambdaContext): Promise<Outcome> {
    const journal: Journal = { startedAt: performance.now(), report: { warnings: new Set() } };
    journals.set(context, journal);
    const event = parseEvent(input);
    journal.event = event;
    const settings = new Settings(process.env);
    const deadline = new Deadline(context.getRemainingTimeInMillis());
    return await runStep({
      engine: trusting(engine, () => settings.privateCa),
      versions: new SecretVersions(connectSecretsManager(settings.secretsManagerEndpoint), event.secretId, deadline),
      databases: new Rds(deadline),
      deadline,
      event,
      settings,
      report: journal.report,
    });
  }

  return middy().use(journalling(engine.name, journals)).handler(step);
}

/**
 * One JSON line and the metrics of a step, and at the border one kind of error: ours. The event is never logged: it may carry a
 * RotationToken.
 */
function journalling(engine: string, journals: WeakMap<object, Journal>): MiddlewareObj<unknown, Outcome> {
  const logger = new Logger({ serviceName: 'secret-rotation' });
  const metrics = new Metrics({ namespace: 'SecretRotation', serviceName: 'secret-rotation' });

  function record(journal: Journal | undefined, outcome: string) {
    const durationMs = Math.round(performance.now() - (journal?.startedAt ?? performance.now()));
    const step = journal?.event?.step ?? 'unknown';
    const strategy = journal?.report.strategy ?? 'unknown';
    metrics.addDimensions({ engine, strategy, step, outcome });
    metrics.addMetric('Steps', MetricUnit.Count, 1);
    metrics.addMetric('Duration', MetricUnit.Milliseconds, durationMs);
    metrics.publishStoredMetrics();
    const { secretId: secretArn, token: versionId } = journal?.event ?? {};
    const fields = { secretArn, versionId, step, engine, strategy, outcome, durationMs };
    for (const warning of journal?.report.warnings ?? []) logger.warn(warning, fields);
    return fields;
  }

  /** Not told apart by anything but the function: an alarm watches one metric, with all its dimensions. */
  function countFailure(functionName: string) {
    const metric = metrics.singleMetric().addDimension('function_name', functionName);
    metric.addMetric('FailedSteps', MetricUnit.Count, 1);
  }

  return {
    after: (request) => {
      const outcome = request.response ?? 'done';
      logger.info(`Step ${outcome}.`, record(journals.get(request.context), outcome));
    },
    onError: (request) => {
      const error = ownError(request.error);
      logger.error(error.message, { ...record(journals.get(request.context), 'failed'), ...cause(error) });
      countFailure(request.context.functionName);
      request.error = error;
    },
  };
}

function cause({ name, layer, retryHelps, user, host, code }: RotationError) {
  return { cause: { name, layer, retryHelps, user, host, code } };
}
