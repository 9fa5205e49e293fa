/** The versions of one secret in Secrets Manager. No other file imports its client. */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  type GetSecretValueResponse,
  type ListSecretVersionIdsResponse,
  PutSecretValueCommand,
  paginateListSecretVersionIds,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { callService, type Service } from './aws.ts';
import type { Deadline } from './deadline.ts';
import { InvalidSecretError, PendingMismatchError, SecretsManagerError, StaleReadError } from './errors.ts';
import { Secret } from './secret.ts';
import { together } from './together.ts';

/** A version and its value, as GetSecretValue shows them. `arn` is that of the secret. */
export type Version = { id: string; arn: string; text: Secret; createdAt: Date };

/** Labels and tags, as DescribeSecret shows them. It shows no values. */
export type Description = {
  /** The ARN of the secret, even if it was asked for by its name. */
  arn: string;
  /** When DescribeSecret was called, on the clock of performance.now(). */
  readAt: number;
  /** Undefined if rotation was never configured for the secret. */
  rotationEnabled: boolean | undefined;
  tags: ReadonlyMap<string, string>;
  /** The staging labels by version id. Versions without a label are missing. */
  stages: ReadonlyMap<string, readonly string[]>;
};

/** For a search among the versions that are neither AWSCURRENT nor AWSPENDING. */
export type OtherVersions = Pick<SecretVersions, 'labelled' | 'newestFirst' | 'byId'>;

/** Which version GetSecretValue is asked for. */
type Which = { VersionId?: string; VersionStage?: string };

/** Pauses in milliseconds between reads, as a read may lag behind a write. */
const BACKOFF = [100, 200, 400, 800] as const;

/** Time-outs in milliseconds, short enough to try again what the network has lost. */
const CLIENT = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 2000, requestTimeout: 3000, throwOnRequestTimeout: true },
};

const SERVICE: Service = {
  name: 'Secrets Manager',
  endpoint: 'secretsmanager',
  endpointSetting: 'SECRETS_MANAGER_ENDPOINT',
  messageIsSafe: new Set(['AccessDeniedException', 'DecryptionFailure', 'EncryptionFailure']),
  mayPass: new Set(['ThrottlingException', 'InternalServiceError', 'InvalidParameterException']),
  // Each operation that is called here answers with the secret's ARN.
  isWhole: (answer) => 'ARN' in answer && typeof answer.ARN === 'string',
  Failure: SecretsManagerError,
};

/**
 * A page has 100 versions, and Secrets Manager keeps about 100,
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html. Whatever answers
 * with more pages than these has no end.
 */
const MOST_PAGES = 20;

const clients = new Map<string | undefined, SecretsManagerClient>();

/** One client for each address and process, so that connections are reused. */
export function connectSecretsManager(endpoint: string | undefined): SecretsManagerClient {
  const client = clients.get(endpoint) ?? new SecretsManagerClient({ ...CLIENT, ...(endpoint && { endpoint }) });
  clients.set(endpoint, client);
  return client;
}

/**
 * Reads and writes the versions of one secret. Reads are eventually consistent
 * (https://github.com/aws/aws-sdk-js-v3/issues/7701), so the methods for a version that must exist
 * ask again for a while.
 *
 * Every method throws SecretsManagerError, DeadlineError or InternalError if a call fails.
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
    const answer = await this.#call('DescribeSecret', (options) =>
      this.#client.send(new DescribeSecretCommand({ SecretId: this.#secretId }), options),
    );
    return {
      arn: answer.ARN ?? this.#secretId,
      readAt,
      rotationEnabled: answer.RotationEnabled,
      tags: new Map((answer.Tags ?? []).flatMap(({ Key, Value }) => (Key === undefined ? [] : [[Key, Value ?? '']]))),
      stages: new Map(Object.entries(answer.VersionIdsToStages ?? {})),
    };
  }

  /** The versions of another secret. Calls for both spend the same time. */
  of(secretId: string): SecretVersions {
    return new SecretVersions(this.#client, secretId, this.#deadline);
  }

  /**
   * The version that has AWSCURRENT now.
   * @throws {SecretsManagerError} also if there is none, or if it has no text value
   */
  async current(): Promise<Version> {
    const version = await this.labelled('AWSCURRENT');
    if (version === undefined)
      throw new SecretsManagerError(
        'The secret has no AWSCURRENT version with a text value: give it one first.',
        false,
      );
    return version;
  }

  /** The version that has this label now. Undefined if there is none, or if it has no text value. */
  labelled(label: 'AWSCURRENT' | 'AWSPREVIOUS' | 'AWSPENDING'): Promise<Version | undefined> {
    return this.#get({ VersionStage: label });
  }

  /**
   * This version, if it has AWSPENDING. Undefined if it does not, or if it has no value (yet).
   * @throws {InvalidSecretError} if its value is no text
   */
  async pending(token: string): Promise<Version | undefined> {
    const which = { VersionId: token, VersionStage: 'AWSPENDING' };
    const answer = await this.#answerFor(which);
    if (answer?.SecretBinary !== undefined)
      throw new InvalidSecretError("The secret's AWSPENDING version has a binary value (SecretBinary), and no text.");
    return answer && this.#versionIn(answer, which);
  }

  /** The same as `pending`, but asks again for up to 1.5 seconds. */
  pendingOnceVisible(token: string): Promise<Version | undefined> {
    return this.#onceVisible(() => this.pending(token));
  }

  /**
   * Labels, tags and AWSCURRENT, read at the same time. They are believed only if both calls name the
   * same version.
   * @throws {StaleReadError} if the calls still disagree after 1.5 seconds
   */
  async describeWithCurrent(): Promise<{ description: Description; current: Version }> {
    const both = await this.#onceVisible(async () => {
      const [description, current] = await together(this.describe(), this.current());
      const agree = description.stages.get(current.id)?.includes('AWSCURRENT');
      return agree ? { description, current } : undefined;
    });
    if (both !== undefined) return both;
    throw new StaleReadError('DescribeSecret and GetSecretValue do not agree on which version is AWSCURRENT.');
  }

  /** The version with this id, whether or not it has a label. Undefined if it has no text value. */
  byId(id: string): Promise<Version | undefined> {
    return this.#get({ VersionId: id });
  }

  /** The ids of all versions that Secrets Manager still has, with or without a label, newest first. */
  async newestFirst(): Promise<string[]> {
    const { pages } = await this.#call('ListSecretVersionIds', async (options) => {
      const config = { client: this.#client, stopOnSameToken: true };
      const request = { SecretId: this.#secretId, IncludeDeprecated: true };
      const pages: ListSecretVersionIdsResponse[] = [];
      for await (const page of paginateListSecretVersionIds(config, request, options)) {
        pages.push(page);
        if (pages.length === MOST_PAGES) break;
      }
      return { ...pages.at(-1), pages };
    });
    const found = new Map<string, number>();
    for (const { VersionId, CreatedDate } of pages.flatMap(({ Versions = [] }) => Versions))
      if (VersionId !== undefined) found.set(VersionId, CreatedDate?.getTime() ?? 0);
    return [...found].sort(([, a], [, b]) => b - a).map(([id]) => id);
  }

  /**
   * Stores the pending value. VersionStages is never left out: without it PutSecretValue moves
   * AWSCURRENT,
   * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
   * @returns `exists` if the version already has another value, from an earlier or a concurrent
   *   attempt
   */
  async putPending(token: string, text: Secret, rotationToken: Secret | undefined): Promise<'stored' | 'exists'> {
    try {
      await this.#call('PutSecretValue', (options) =>
        this.#client.send(
          new PutSecretValueCommand({
            SecretId: this.#secretId,
            ClientRequestToken: token,
            SecretString: text.reveal(),
            VersionStages: ['AWSPENDING'],
            RotationToken: rotationToken?.reveal(),
          }),
          options,
        ),
      );
      return 'stored';
    } catch (error) {
      if (error instanceof SecretsManagerError && error.code === 'ResourceExistsException') return 'exists';
      throw error;
    }
  }

  /**
   * Moves AWSCURRENT to the version `token`, but only if the version `from` has it.
   *
   * An error may hide that the label did move: the answer was lost, or the SDK's retry found the
   * move done. So after an error the label is read again.
   * @throws {PendingMismatchError} if meanwhile somebody moved AWSCURRENT to a third version
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

  /** Takes AWSPENDING off the version. Succeeds, too, if the version does not have it any more. */
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
    return this.#call('UpdateSecretVersionStage', (options) =>
      this.#client.send(new UpdateSecretVersionStageCommand({ SecretId: this.#secretId, ...input }), options),
    );
  }

  async #get(which: Which): Promise<Version | undefined> {
    const answer = await this.#answerFor(which);
    return answer && this.#versionIn(answer, which);
  }

  /** Undefined if there is no such version, or if it has no value. */
  async #answerFor(which: Which): Promise<GetSecretValueResponse | undefined> {
    try {
      return await this.#call('GetSecretValue', (options) =>
        this.#client.send(new GetSecretValueCommand({ SecretId: this.#secretId, ...which }), options),
      );
    } catch (error) {
      if (error instanceof SecretsManagerError && isAbsent(error.code, which)) return undefined;
      throw error;
    }
  }

  /** Undefined if it has no text value. */
  #versionIn(answer: GetSecretValueResponse, { VersionId }: Which): Version | undefined {
    const id = answer.VersionId ?? VersionId;
    if (id === undefined || answer.SecretString === undefined) return undefined;
    return {
      id,
      arn: answer.ARN ?? this.#secretId,
      text: new Secret(answer.SecretString),
      createdAt: answer.CreatedDate ?? new Date(0),
    };
  }

  /**
   * Reads again, with pauses, until the read gives something. No pause uses up the time for the
   * next call.
   */
  async #onceVisible<T>(read: () => Promise<T | undefined>): Promise<T | undefined> {
    for (const pause of BACKOFF) {
      const found = await read();
      if (found !== undefined) return found;
      await sleep(Math.min(pause, this.#deadline.left('Secrets Manager') / 2));
    }
    return read();
  }

  #call<T extends object>(operation: string, send: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
    return callService(SERVICE, this.#deadline, operation, (abortSignal) => send({ abortSignal }));
  }
}

/**
 * Whether the error means that there is no such version, or that it has no value.
 *
 * ResourceNotFoundException does. For a version that exists but does not have the label asked for,
 * the answer is documented nowhere: implementations send ResourceNotFoundException or
 * InvalidRequestException. In other calls the latter means that the secret is being deleted.
 */
function isAbsent(code: string | undefined, asked: Which): boolean {
  if (code === 'InvalidRequestException') return asked.VersionId !== undefined && asked.VersionStage !== undefined;
  return code === 'ResourceNotFoundException';
}
