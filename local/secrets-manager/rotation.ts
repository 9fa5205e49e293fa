import { invalidRequest } from './errors.ts';
import type { RotateSecretRequest } from './requests.ts';
import type { RotationState, SecretStore } from './store.ts';

/** What one invocation came to, as the service sees it. */
export type Invocation = {
  outcome: 'success' | 'error' | 'timeout' | 'crash';
  error?: { errorType: string; errorMessage: string };
  ms: number;
};

/** One running copy of the function: one process. */
export interface RunningFunction {
  invoke(event: Record<string, unknown>): Promise<Invocation>;
  stop(): Promise<void>;
}

/** Starts a new copy; called anew for each attempt. */
export type StartFunction = () => Promise<RunningFunction>;

export const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;
export type Step = (typeof STEPS)[number];

/** Called around every step; attempts count from 1. What they do (cancel, edit, restart) is done before the next step. */
export type OnStep = {
  before?(step: Step, attempt: number): unknown;
  after?(step: Step, attempt: number, invocation: Invocation): unknown;
};

export type RotationOptions = {
  start: StartFunction;
  /** Attempts before the service gives up; 1 for a single one. AWS publishes no number; default 5. */
  attempts?: number;
  /** Sent in each event, as AWS does where the function assumes a role or rotates across accounts. */
  rotationToken?: string;
  onStep?: OnStep;
};

export type StepResult = { step: Step } & Invocation;

export type RotationResult = {
  /** The version has become AWSCURRENT, or testSecret succeeded if that alone was asked for. */
  succeeded: boolean;
  token: string;
  attempts: { steps: StepResult[] }[];
  /** Why it did not succeed, in one line. */
  error?: string;
};

/** What the function is called with (https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html). */
export function stepEvent(step: Step, arn: string, token: string, rotationToken?: string): Record<string, unknown> {
  const event = { Step: step, SecretId: arn, ClientRequestToken: token };
  return rotationToken === undefined ? event : { ...event, RotationToken: rotationToken };
}

/** Plays the part of RotateSecret that calls the function, and calls it again. */
export class RotationService {
  readonly #store: SecretStore;
  readonly #running = new Set<string>();
  readonly #latest = new Map<string, Promise<RotationResult>>();
  #closed = false;

  constructor(store: SecretStore) {
    this.#store = store;
  }

  /** Registers the pending version and calls the function; resolves when the rotation is over, however it ended. */
  async rotate(request: RotateSecretRequest, options: RotationOptions): Promise<RotationResult> {
    const { arn, token, kind } = this.#store.beginRotation(request);
    if (this.#running.has(arn)) throw new Error(`A rotation of ${arn} is already running`);
    return this.#launch(arn, token, kind, options);
  }

  /**
   * API_RotateSecret: answers at once, the rotation goes on. Refused if an earlier one is not complete, which is then
   * attempted again; error name and message as users quote them, for instance in Terraform's AWS provider. Without
   * options nobody is called: the pending version is registered, and the caller drives the steps.
   */
  rotateSecret(request: RotateSecretRequest, options: RotationOptions | undefined) {
    const { arn, name, token, kind, previousIncomplete } = this.#store.beginRotation(request);
    if (options !== undefined && !this.#running.has(arn)) {
      // Nobody waits here; whoever asks by ended() sees how it failed.
      this.#launch(arn, token, kind, options).catch(() => {});
    }
    if (previousIncomplete) {
      throw invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.");
    }
    return { ARN: arn, Name: name, VersionId: token };
  }

  /** How the latest rotation of this secret ends or has ended; undefined if there was none. */
  ended(secretId: string): Promise<RotationResult> | undefined {
    return this.#latest.get(this.#store.describeSecret({ SecretId: secretId }).ARN);
  }

  /** No further attempts; resolves when no function is running any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#latest.values());
  }

  #launch(arn: string, token: string, kind: 'rotation' | 'test', options: RotationOptions): Promise<RotationResult> {
    this.#running.add(arn);
    const running = kind === 'test' ? this.#test(arn, token, options) : this.#rotate(arn, token, options);
    const ended = running.finally(() => this.#running.delete(arn));
    this.#latest.set(arn, ended);
    return ended;
  }

  /**
   * Attempts until the rotation is over. One that is cancelled, or whose version lost AWSPENDING, is not attempted
   * again; the attempt that is under way then is not broken off (assumed: no source says when AWS looks). A version that
   * is AWSCURRENT ends the rotation even if finishSecret reported an error after moving the label.
   */
  async #rotate(arn: string, token: string, options: RotationOptions): Promise<RotationResult> {
    const attempts: { steps: StepResult[] }[] = [];
    const limit = options.attempts ?? 5;
    let state = this.#store.rotationState(arn, token);
    while (state === 'pending' && attempts.length < limit && !this.#closed) {
      const steps = await this.#attempt(arn, token, STEPS, attempts.length + 1, options);
      attempts.push({ steps });
      state = this.#store.rotationState(arn, token);
    }
    if (state !== 'promoted') return { succeeded: false, token, attempts, error: explain(state, attempts) };
    this.#store.endRotation(arn, token);
    return { succeeded: true, token, attempts };
  }

  /** API_RotateSecret on `RotateImmediately: false`: testSecret alone, not repeated (assumed). */
  async #test(arn: string, token: string, options: RotationOptions): Promise<RotationResult> {
    try {
      const steps = await this.#attempt(arn, token, ['testSecret'], 1, options);
      const succeeded = steps.every(({ outcome }) => outcome === 'success');
      const attempts = [{ steps }];
      return { succeeded, token, attempts, ...(succeeded ? {} : { error: explain('pending', attempts) }) };
    } finally {
      this.#store.removeTemporaryVersion(arn, token);
    }
  }

  /** The steps in a new process, up to the first that does not succeed. */
  async #attempt(
    arn: string,
    token: string,
    steps: readonly Step[],
    attempt: number,
    { start, rotationToken, onStep }: RotationOptions,
  ): Promise<StepResult[]> {
    const results: StepResult[] = [];
    const running = await start();
    try {
      for (const step of steps) {
        await onStep?.before?.(step, attempt);
        const invocation = await running.invoke(stepEvent(step, arn, token, rotationToken));
        results.push({ step, ...invocation });
        await onStep?.after?.(step, attempt, invocation);
        if (invocation.outcome !== 'success') break;
      }
    } finally {
      await running.stop();
    }
    return results;
  }
}

const ENDED = { pending: '', cancelled: 'Rotation was cancelled; ', abandoned: 'AWSPENDING is gone; ' };

function explain(state: Exclude<RotationState, 'promoted'>, attempts: readonly { steps: StepResult[] }[]): string {
  const last = attempts.at(-1)?.steps.at(-1);
  if (last === undefined) return `${ENDED[state]}no attempt was made`;
  const { step, outcome, error } = last;
  if (outcome === 'success') return `${ENDED[state]}${step} succeeded, but the version is not AWSCURRENT`;
  return `${ENDED[state]}${step}: ${outcome}${error === undefined ? '' : `, ${error.errorType}: ${error.errorMessage}`}`;
}
