import { setTimeout as sleep } from 'node:timers/promises';
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { callService, type Service } from './aws.ts';
import type { Deadline } from './deadline.ts';
import { PendingMismatchError, SecretsManagerError, StaleReadError } from './errors.ts';
import { Secret } from './secret.ts';

/** A version and its value. `createdAt` is when the version was made; the value is what GetSecretValue showed. `arn` is the secret's. */
export type Version = { id: string; arn: string; text: Secret; createdAt: Date };

/** What DescribeSecret shows: labels and tags, no values. */
export type Description = {
  /** The secret's, whatever it was asked for by. */
  arn: string;
  /** When it was asked for, on the clock of performance.now(). */
  readAt: number;
  /** undefined on a secret whose rotation was never configured */
  rotationEnabled: boolean | undefined;
  tags: ReadonlyMap<string, string>;
  /** staging labels by version id */
  stages: ReadonlyMap<string, readonly string[]>;
};

/** How a search reads the versions that are neither AWSCURRENT nor AWSPENDING. */
export type OtherVersions = Pick<SecretVersions, 'labelled' | 'newestFirst' | 'byId'>;

/** Pauses between reads that may lag behind a write, in milliseconds. */
const BACKOFF = [100, 200, 400, 800] as const;

/** Time-outs in milliseconds: what a network swallows is tried again while there is time. */
const CLIENT = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 2000, requestTimeout: 3000, throwOnRequestTimeout: true },
};

const SERVICE: Service = {
  name: 'Secrets Manager',
  endpoint: 'secretsmanager',
  messageIsSafe: new Set(['AccessDeniedException', 'DecryptionFailure', 'EncryptionFailure']),
  mayPass: new Set(['ThrottlingException', 'InternalServiceError', 'InvalidParameterException']),
  Failure: SecretsManagerError,
};

const clients = new Map<string | undefined, SecretsManagerClient>();

/** One client for each address in a process, so that connections are kept. */
export function connectSecretsManager(endpoint: string | undefined): SecretsManagerClient {
  const client = clients.get(endpoint) ?? new SecretsManagerClient({ ...CLIENT, ...(endpoint && { endpoint }) });
  clients.set(endpoint, client);
  return client;
}

/**
 * The versions of one secret, as Secrets Manager keeps them. Reads are eventually consistent
 * (https://github.com/aws/aws-sdk-js-v3/issues/7701), so a version that must be there is asked for again for a while.
 */
export class SecretVersions {
  readonly #secretId: string;
  readonly #client: SecretsManagerClient;
  readonly #deadline: Deadline;

  constructor(client: SecretsManagerClient, secretId: string, deadline: Deadline) {
    this.#client = client;
    this.#secretId = secretId;
    this.#deadline = deadline;
  }

  async describe(): Promise<Description> {
    const readAt = performance.now();
    const answer = await this.#call('DescribeSecret', (abortSignal) =>
      this.#client.send(new DescribeSecretCommand({ SecretId: this.#secretId }), { abortSignal }),
    );
    return {
      arn: answer.ARN ?? this.#secretId,
      readAt,
      rotationEnabled: answer.RotationEnabled,
      tags: new Map((answer.Tags ?? []).flatMap(({ Key, Value }) => (Key === undefined ? [] : [[Key, Value ?? '']]))),
      stages: new Map(Object.entries(answer.VersionIdsToStages ?? {})),
    };
  }

  /** Those of another secret, in the same time. */
  of(secretId: string): SecretVersions {
    return new SecretVersions(this.#client, secretId, this.#deadline);
  }

  /** The version that bears AWSCURRENT now. */
  async current(): Promise<Version> {
    const version = await this.labelled('AWSCURRENT');
    if (version === undefined)
      throw new SecretsManagerError(
        'The secret has no AWSCURRENT version with a text value: give it one first.',
        false,
      );
    return version;
  }

  /** The version that bears this label now; undefined if there is none, or if it has no value. */
  labelled(label: 'AWSCURRENT' | 'AWSPREVIOUS' | 'AWSPENDING'): Promise<Version | undefined> {
    return this.#get({ VersionStage: label });
  }

  /** The value of this version if it bears AWSPENDING; undefined if it has no value (yet), or not that label. */
  pending(token: string): Promise<Version | undefined> {
    return this.#get({ VersionId: token, VersionStage: 'AWSPENDING' });
  }

  /** The same, asked for again for up to 1.5 seconds. */
  async pendingOnceVisible(token: string): Promise<Version | undefined> {
    for (const pause of BACKOFF) {
      const version = await this.pending(token);
      if (version !== undefined) return version;
      await this.#pause(pause);
    }
    return this.pending(token);
  }

  /**
   * Labels and AWSCURRENT's value, believed only when both reads name the same version.
   * @throws {StaleReadError} when they go on to disagree
   */
  async describeWithCurrent(): Promise<{ description: Description; current: Version }> {
    let description = await this.describe();
    let current = await this.current();
    for (const pause of BACKOFF) {
      if (description.stages.get(current.id)?.includes('AWSCURRENT')) return { description, current };
      await this.#pause(pause);
      description = await this.describe();
      current = await this.current();
    }
    if (description.stages.get(current.id)?.includes('AWSCURRENT')) return { description, current };
    throw new StaleReadError('DescribeSecret and GetSecretValue do not agree on which version is AWSCURRENT.');
  }

  /** The value of a version, labelled or not; undefined if it has none. */
  byId(id: string): Promise<Version | undefined> {
    return this.#get({ VersionId: id });
  }

  /** Every version that Secrets Manager still keeps, the newest first, also those without a label. */
  async newestFirst(): Promise<string[]> {
    const found: { id: string; createdAt: number }[] = [];
    let NextToken: string | undefined;
    do {
      const page = await this.#call('ListSecretVersionIds', (abortSignal) =>
        this.#client.send(
          new ListSecretVersionIdsCommand({ SecretId: this.#secretId, IncludeDeprecated: true, NextToken }),
          { abortSignal },
        ),
      );
      for (const { VersionId, CreatedDate } of page.Versions ?? [])
        if (VersionId !== undefined) found.push({ id: VersionId, createdAt: CreatedDate?.getTime() ?? 0 });
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    return found.sort((a, b) => b.createdAt - a.createdAt).map(({ id }) => id);
  }

  /**
   * Stores the pending value. VersionStages is always given: without it, PutSecretValue moves AWSCURRENT
   * (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html).
   * @returns `exists` if the version already has another value: an earlier or a concurrent attempt's
   */
  async putPending(token: string, text: Secret, rotationToken: Secret | undefined): Promise<'stored' | 'exists'> {
    try {
      await this.#call('PutSecretValue', (abortSignal) =>
        this.#client.send(
          new PutSecretValueCommand({
            SecretId: this.#secretId,
            ClientRequestToken: token,
            SecretString: text.reveal(),
            VersionStages: ['AWSPENDING'],
            RotationToken: rotationToken?.reveal(),
          }),
          { abortSignal },
        ),
      );
      return 'stored';
    } catch (error) {
      if (error instanceof SecretsManagerError && error.code === 'ResourceExistsException') return 'exists';
      throw error;
    }
  }

  /**
   * AWSCURRENT moves from one version to another, and from no other: whoever moved it meanwhile makes this fail. An error
   * may hide that the move took place (an answer that was lost, a retry that found it done), so the label is read again.
   */
  async promote(token: string, from: string): Promise<void> {
    try {
      await this.#updateStage({ VersionStage: 'AWSCURRENT', MoveToVersionId: token, RemoveFromVersionId: from });
    } catch (error) {
      if (!(error instanceof SecretsManagerError)) throw error;
      const current = await this.current().catch(() => undefined);
      if (current?.id === token) return;
      if (current === undefined || current.id === from) throw error;
      throw new PendingMismatchError(
        'AWSCURRENT moved to another version since it was read: it was left there. The next attempt settles it.',
      );
    }
  }

  /** Takes AWSPENDING off the version; that it is off already is as good. */
  async releasePending(token: string): Promise<void> {
    try {
      await this.#updateStage({ VersionStage: 'AWSPENDING', RemoveFromVersionId: token });
    } catch (error) {
      if (!(error instanceof SecretsManagerError)) throw error;
      const description = await this.describe().catch(() => undefined);
      if (description === undefined || description.stages.get(token)?.includes('AWSPENDING')) throw error;
    }
  }

  #updateStage(input: { VersionStage: string; MoveToVersionId?: string; RemoveFromVersionId: string }) {
    return this.#call('UpdateSecretVersionStage', (abortSignal) =>
      this.#client.send(new UpdateSecretVersionStageCommand({ SecretId: this.#secretId, ...input }), { abortSignal }),
    );
  }

  async #get(which: { VersionId?: string; VersionStage?: string }): Promise<Version | undefined> {
    try {
      const answer = await this.#call('GetSecretValue', (abortSignal) =>
        this.#client.send(new GetSecretValueCommand({ SecretId: this.#secretId, ...which }), { abortSignal }),
      );
      const id = answer.VersionId ?? which.VersionId;
      if (id === undefined || answer.SecretString === undefined) return undefined;
      return {
        id,
        arn: answer.ARN ?? this.#secretId,
        text: new Secret(answer.SecretString),
        createdAt: answer.CreatedDate ?? new Date(0),
      };
    } catch (error) {
      if (error instanceof SecretsManagerError && isAbsent(error.code, which)) return undefined;
      throw error;
    }
  }

  /** No longer than there is time for another call. */
  async #pause(ms: number): Promise<void> {
    await sleep(Math.min(ms, this.#deadline.left('Secrets Manager') / 2));
  }

  #call<T>(operation: string, send: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    return callService(SERVICE, this.#deadline, operation, send);
  }
}

/**
 * ResourceNotFoundException: no such version, or one without a value. What a version answers that does not bear the label
 * asked for is documented nowhere; implementations answer this or InvalidRequestException, which otherwise means that the
 * secret is being deleted.
 */
function isAbsent(code: string | undefined, asked: { VersionId?: string; VersionStage?: string }): boolean {
  if (code === 'InvalidRequestException') return asked.VersionId !== undefined && asked.VersionStage !== undefined;
  return code === 'ResourceNotFoundException';
}
