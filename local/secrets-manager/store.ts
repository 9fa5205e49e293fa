import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { exists, invalidParameter, invalidRequest, notFound } from './errors.ts';
import { describe, getValue, identity, listVersions, seconds, stagesOrNone } from './reads.ts';
import {
  type BySecret,
  type CreateSecretRequest,
  checkName,
  type DeleteSecretRequest,
  type GetSecretValueRequest,
  type ListSecretVersionIdsRequest,
  NO_FUNCTION,
  newValueOf,
  type PutSecretValueRequest,
  type RotateSecretRequest,
  rotationOf,
  type Tag,
  TOKEN_MISSING,
  tokenOf,
  type UpdateSecretRequest,
  type UpdateSecretVersionStageRequest,
} from './requests.ts';
import {
  type Secret,
  stagesOf,
  trimmed,
  type Value,
  type Version,
  withLabel,
  withLabelsOfNewValue,
  withoutLabel,
  withoutVersion,
  withVersion,
} from './secret.ts';

/** Which state a read sees: `older` is the one before the last write. */
export type View = 'latest' | 'older';

/** How far a rotation has come, seen from its version. */
export type RotationState = 'pending' | 'promoted' | 'cancelled' | 'abandoned';

export type BegunRotation = {
  arn: string;
  name: string;
  token: string;
  /** `test`: the pending version is the temporary one of `RotateImmediately: false`. */
  kind: 'rotation' | 'test';
  /** AWSPENDING was left by an earlier rotation, which is taken up again; the caller is to be refused. */
  previousIncomplete: boolean;
};

export type StoreOptions = {
  region?: string;
  accountId?: string;
  /** Milliseconds since the epoch. */
  now?: () => number;
  /**
   * Gives the temporary version of `RotateImmediately: false` the value of AWSCURRENT. No source says whether AWS does;
   * by default it is empty, like the pending version of a rotation (API_RotateSecret).
   */
  temporaryVersionHasValue?: boolean;
};

type Entry = { latest: Secret; older: Secret | undefined; writtenAt: number };

/** The rules of Secrets Manager, in memory and without a network. Requests and answers have the shape they travel in. */
export class SecretStore {
  readonly #entries = new Map<string, Entry>();
  readonly #region: string;
  readonly #accountId: string;
  readonly #now: () => number;
  readonly #temporaryVersionHasValue: boolean;

  constructor(options: StoreOptions = {}) {
    this.#region = options.region ?? 'us-east-1';
    this.#accountId = options.accountId ?? '123456789012';
    this.#now = options.now ?? Date.now;
    this.#temporaryVersionHasValue = options.temporaryVersionHasValue ?? false;
  }

  /**
   * API_CreateSecret. Without a value the secret has no version. The same token and content again is ignored, any other
   * second use of the name refused (messages recorded).
   */
  createSecret(request: CreateSecretRequest) {
    checkName(request.Name);
    const value = newValueOf(request);
    const token = tokenOf(request);
    const known = this.#entry(request.Name)?.latest;
    if (known === undefined) this.#write(this.#newSecret(request, token, value));
    else checkRepeated(known, token, value);
    const secret = this.#find(request.Name);
    return { ...identity(secret), VersionId: value === undefined ? undefined : token };
  }

  /** API_DescribeSecret. */
  describeSecret(request: BySecret, view: View = 'latest') {
    return describe(this.#find(request.SecretId, view));
  }

  /** API_GetSecretValue. */
  getSecretValue(request: GetSecretValueRequest, view: View = 'latest') {
    return getValue(alive(this.#find(request.SecretId, view)), request);
  }

  /** API_ListSecretVersionIds. */
  listSecretVersionIds(request: ListSecretVersionIdsRequest) {
    return listVersions(this.#find(request.SecretId), request);
  }

  /**
   * API_PutSecretValue. The token becomes the version's id: used again with the same content it is ignored (labels and
   * all, it is assumed), with other content refused. Without VersionStages it moves AWSCURRENT.
   */
  putSecretValue(request: PutSecretValueRequest) {
    const secret = this.#alive(request.SecretId);
    const value = newValueOf(request);
    if (value === undefined) throw invalidRequest('You must provide either SecretString or SecretBinary.');
    const token = tokenOf(request);
    const next = this.#withValue(secret, token, value, request.VersionStages ?? ['AWSCURRENT']);
    this.#write(next);
    return { ...identity(next), VersionId: token, VersionStages: stagesOrNone(next, token) };
  }

  /** API_UpdateSecret: a person's edit. With a value it makes a version that is AWSCURRENT, without one none. */
  updateSecret(request: UpdateSecretRequest) {
    const secret = this.#alive(request.SecretId);
    const { Description: description = secret.description } = request;
    const described = description === undefined ? secret : { ...secret, description };
    const value = newValueOf(request);
    const token = value === undefined ? undefined : tokenOf(request);
    const edited = value && token ? this.#withValue(described, token, value, ['AWSCURRENT']) : described;
    this.#write(edited);
    return { ...identity(secret), VersionId: token };
  }

  /**
   * API_UpdateSecretVersionStage. To move a label, RemoveFromVersionId must name the version that has it. AWSCURRENT can
   * be moved but not removed (the message is quoted in Terraform's AWS provider). Putting a label where it already is
   * changes nothing (assumed). That an unknown version is an InvalidParameterException is moto's reading.
   */
  updateSecretVersionStage(request: UpdateSecretVersionStageRequest) {
    const secret = this.#alive(request.SecretId);
    const { VersionStage: label, RemoveFromVersionId: from, MoveToVersionId: to } = request;
    checkMove(secret, label, from, to);
    this.#write(to === undefined ? withoutLabel(secret, label) : withLabel(secret, label, to));
    return identity(secret);
  }

  /** API_TagResource: adds to the tags, and overwrites those of the same key. */
  tagResource(request: BySecret & { Tags: Tag[] }) {
    const secret = this.#alive(request.SecretId);
    this.#write({ ...secret, tags: new Map([...(secret.tags ?? []), ...tagMap(request.Tags)]) });
    return {};
  }

  /** API_UntagResource. */
  untagResource(request: BySecret & { TagKeys: string[] }) {
    const secret = this.#alive(request.SecretId);
    const kept = [...(secret.tags ?? [])].filter(([key]) => !request.TagKeys.includes(key));
    this.#write({ ...secret, tags: new Map(kept) });
    return {};
  }

  /** API_DeleteSecret. Unless forced, the secret is only marked; nothing here waits for the recovery window's end. */
  deleteSecret(request: DeleteSecretRequest) {
    const { RecoveryWindowInDays: days = 30, ForceDeleteWithoutRecovery: force } = request;
    if (force && request.RecoveryWindowInDays !== undefined) {
      throw invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
    }
    if (days < 7 || days > 30) {
      throw invalidParameter('The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).');
    }
    const secret = this.#find(request.SecretId);
    const deletedAt = this.#now() + (force ? 0 : days * 24 * 60 * 60 * 1000);
    if (force) this.#entries.delete(secret.arn);
    else this.#write({ ...alive(secret), deletedAt });
    return { ...identity(secret), DeletionDate: seconds(deletedAt) };
  }

  /**
   * API_CancelRotateSecret. Labels stay as they are, and so does the function's ARN: RotateSecret can start again
   * without one. The page says of VersionId "created by the rotation"; it is taken to be the pending version's.
   */
  cancelRotateSecret(request: BySecret) {
    const secret = this.#alive(request.SecretId);
    if (secret.rotation === undefined) throw invalidRequest(NO_FUNCTION);
    this.#write({ ...secret, rotation: { ...secret.rotation, enabled: false } });
    return { ...identity(secret), VersionId: secret.labels.get('AWSPENDING') };
  }

  /**
   * What API_RotateSecret does before it calls the function: it keeps the configuration, turns rotation on and
   * registers the pending version, with AWSPENDING and without a value.
   *
   * If AWSPENDING is on another version than AWSCURRENT, that version's rotation is taken up again. A token that is
   * already a version's registers nothing, so a repeated request is no second rotation (assumed from what the page says
   * of the token). RotateSecret without a token is an InvalidParameterException, unlike elsewhere (recorded).
   */
  beginRotation(request: RotateSecretRequest): BegunRotation {
    const secret = this.#alive(request.SecretId);
    if (request.ClientRequestToken === undefined) throw invalidParameter(TOKEN_MISSING);
    const wanted = tokenOf(request);
    const configured = { ...secret, rotation: rotationOf(secret, request) };
    const pending = secret.labels.get('AWSPENDING');
    const incomplete = pending !== undefined && pending !== secret.labels.get('AWSCURRENT');
    const token = incomplete ? pending : wanted;
    const begun = { arn: secret.arn, name: secret.name, token, previousIncomplete: token !== wanted };
    if (secret.versions.has(token)) {
      this.#write(configured);
      return { ...begun, kind: 'rotation' };
    }
    const kind = request.RotateImmediately === false ? 'test' : 'rotation';
    this.#write(this.#withPending(configured, token, kind));
    return { ...begun, kind };
  }

  /**
   * A rotation is over when AWSPENDING is on AWSCURRENT's version or on none (API_RotateSecret). AWSPREVIOUS alone means
   * promoted too: the version has been AWSCURRENT, and somebody stored another value since.
   */
  rotationState(arn: string, token: string): RotationState {
    const secret = this.#find(arn);
    const stages = stagesOf(secret, token);
    const pending = stages.includes('AWSPENDING');
    if (stages.includes('AWSCURRENT') || (stages.includes('AWSPREVIOUS') && !pending)) return 'promoted';
    if (!secret.rotation?.enabled) return 'cancelled';
    return pending ? 'pending' : 'abandoned';
  }

  /** What the service does once the version is AWSCURRENT: it takes AWSPENDING off it. */
  endRotation(arn: string, token: string): void {
    const secret = this.#find(arn);
    const cleaned = secret.labels.get('AWSPENDING') === token ? withoutLabel(secret, 'AWSPENDING') : secret;
    const { rotation } = cleaned;
    this.#write(rotation === undefined ? cleaned : { ...cleaned, rotation: { ...rotation, rotatedAt: this.#now() } });
  }

  /** API_RotateSecret: the version that a test with `RotateImmediately: false` needed is removed after it. */
  removeTemporaryVersion(arn: string, token: string): void {
    this.#write(withoutVersion(this.#find(arn), token));
  }

  /** Whether the secret was written to in the last `ms` milliseconds, so that a read of it may be stale. */
  changedWithin(secretId: string, ms: number): boolean {
    const entry = this.#entry(secretId);
    return entry?.older !== undefined && this.#now() - entry.writtenAt <= ms;
  }

  #newSecret(request: CreateSecretRequest, token: string, value: Value | undefined): Secret {
    const now = this.#now();
    const secret: Secret = {
      arn: `arn:aws:secretsmanager:${this.#region}:${this.#accountId}:secret:${request.Name}${arnSuffix()}`,
      name: request.Name,
      ...(request.Description === undefined ? {} : { description: request.Description }),
      ...(request.Tags === undefined ? {} : { tags: tagMap(request.Tags) }),
      createdAt: now,
      changedAt: now,
      versions: new Map(),
      labels: new Map(),
    };
    return value === undefined ? secret : this.#withValue(secret, token, value, ['AWSCURRENT']);
  }

  /**
   * The first version of a secret gets AWSCURRENT whatever labels were asked for (API_PutSecretValue). A registered
   * pending version counts as created when its value is stored: before that there is an id, but "to check if a secret
   * version exists, call GetSecretValue" (API_DescribeSecret on VersionIdsToStages).
   */
  #withValue(secret: Secret, token: string, value: Value, labels: readonly string[]): Secret {
    if (isRepeated(secret, token, value)) return secret;
    const now = this.#now();
    const first = ![...secret.versions.values()].some((version) => version.value !== undefined);
    const wanted = first ? ['AWSCURRENT', ...labels] : labels;
    const stored = withVersion(secret, { id: token, createdAt: now, value });
    return trimmed(withLabelsOfNewValue(stored, wanted, token), now);
  }

  #withPending(secret: Secret, token: string, kind: 'rotation' | 'test'): Secret {
    const current = secret.versions.get(secret.labels.get('AWSCURRENT') ?? '')?.value;
    const value = kind === 'test' && this.#temporaryVersionHasValue ? current : undefined;
    const version: Version = { id: token, createdAt: this.#now(), ...(value === undefined ? {} : { value }) };
    return withLabel(withVersion(secret, version), 'AWSPENDING', token);
  }

  #find(secretId: string, view: View = 'latest'): Secret {
    const entry = this.#entry(secretId);
    if (entry === undefined) throw notFound("Secrets Manager can't find the specified secret.");
    return view === 'older' ? (entry.older ?? entry.latest) : entry.latest;
  }

  #alive(secretId: string): Secret {
    return alive(this.#find(secretId));
  }

  /**
   * By full ARN, by name, or by an ARN without its suffix
   * (https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen).
   */
  #entry(secretId: string): Entry | undefined {
    return (
      this.#entries.get(secretId) ??
      [...this.#entries.values()].find(({ latest }) => [latest.name, partialArn(latest.arn)].includes(secretId))
    );
  }

  #write(secret: Secret): void {
    const writtenAt = this.#now();
    const older = this.#entries.get(secret.arn)?.latest;
    this.#entries.set(secret.arn, { latest: { ...secret, changedAt: writtenAt }, older, writtenAt });
  }
}

const ARN_SUFFIX_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** API_CreateSecret: a hyphen and six random characters end the ARN, so a new secret of an old name has another ARN. */
function arnSuffix(): string {
  const one = () => ARN_SUFFIX_CHARACTERS[randomInt(ARN_SUFFIX_CHARACTERS.length)];
  return `-${Array.from({ length: 6 }, one).join('')}`;
}

const partialArn = (arn: string) => arn.slice(0, -'-AbCdEf'.length);

const tagMap = (tags: readonly Tag[]) => new Map(tags.map(({ Key, Value }) => [Key, Value]));

/** API_GetSecretValue and others: a secret that is to be deleted is refused (messages recorded where known). */
function alive(secret: Secret): Secret {
  if (secret.deletedAt === undefined) return secret;
  throw invalidRequest("You can't perform this operation on the secret because it was marked for deletion.");
}

/** Whether the version has this content already. With other content it is refused: a version is never changed. */
function isRepeated(secret: Secret, token: string, value: Value): boolean {
  const stored = secret.versions.get(token)?.value;
  if (stored === undefined || isDeepStrictEqual(stored, value)) return stored !== undefined;
  throw exists(
    `You can't use ClientRequestToken ${token} because that value is already in use for a version of secret ${secret.arn}.`,
  );
}

function checkRepeated(secret: Secret, token: string, value: Value | undefined): void {
  if (secret.deletedAt !== undefined) {
    throw invalidRequest(
      "You can't create this secret because a secret with this name is already scheduled for deletion.",
    );
  }
  if (value !== undefined && isRepeated(secret, token, value)) return;
  throw exists(`The operation failed because the secret ${secret.name} already exists.`);
}

function checkMove(secret: Secret, label: string, from: string | undefined, to: string | undefined): void {
  const unknown = [from, to].find((id) => id !== undefined && !secret.versions.has(id));
  if (unknown !== undefined) throw invalidParameter(`Not a valid version: ${unknown}`);
  const holder = secret.labels.get(label);
  if (from === undefined && to === undefined) {
    throw invalidParameter('You must provide RemoveFromVersionId, MoveToVersionId or both.');
  }
  if (from === undefined && holder !== undefined && holder !== to) {
    throw invalidParameter(
      `The parameter RemoveFromVersionId can't be empty. Staging label ${label} is currently attached to version ` +
        `${holder}, so you must explicitly reference that version in RemoveFromVersionId.`,
    );
  }
  if (from !== undefined && from !== holder) {
    throw invalidParameter(`Version stage ${label} not found in version ${from}`);
  }
  if (to === undefined && label === 'AWSCURRENT') {
    throw invalidParameter(
      "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
    );
  }
}
