/**
 * What a secret is, and how its staging labels move. A secret is never changed in place: every change makes a new one,
 * so the state before the last write stays at hand for a stale read.
 *
 * In this folder `API_X` stands for https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_X.html, and
 * "recorded" for answers of the real service that LocalStack keeps with its tests
 * (localstack/localstack, tests/aws/services/secretsmanager/test_secretsmanager.snapshot.json).
 */

/** SecretBinary is base64 text, as it travels. */
export type Value = { readonly SecretString: string } | { readonly SecretBinary: string };

/** A version without a value is what RotateSecret registers. Times are milliseconds since the epoch. */
export type Version = { readonly id: string; readonly createdAt: number; readonly value?: Value };

export type RotationRules = {
  readonly AutomaticallyAfterDays?: number;
  readonly Duration?: string;
  readonly ScheduleExpression?: string;
};

export type Rotation = {
  readonly enabled: boolean;
  readonly lambdaArn: string;
  readonly rules?: RotationRules;
  readonly rotatedAt?: number;
};

export type Secret = {
  readonly arn: string;
  readonly name: string;
  readonly description?: string;
  readonly createdAt: number;
  readonly changedAt: number;
  readonly deletedAt?: number;
  readonly tags?: ReadonlyMap<string, string>;
  readonly versions: ReadonlyMap<string, Version>;
  /** From label to version: a label is on one version at a time (API_UpdateSecretVersionStage). */
  readonly labels: ReadonlyMap<string, string>;
  /** Absent until rotation was configured for the first time. */
  readonly rotation?: Rotation;
};

/** The labels of a version, sorted: recorded answers list them so, whatever the order they were given in. */
export function stagesOf(secret: Secret, versionId: string): string[] {
  return [...secret.labels]
    .filter(([, id]) => id === versionId)
    .map(([label]) => label)
    .sort();
}

/**
 * Puts a label on a version, taking it off the one that had it. AWSPREVIOUS goes to the version that AWSCURRENT leaves;
 * no other label follows (API_UpdateSecretVersionStage).
 */
export function withLabel(secret: Secret, label: string, versionId: string): Secret {
  const labels = new Map(secret.labels);
  const left = labels.get(label);
  labels.set(label, versionId);
  if (label === 'AWSCURRENT' && left !== undefined && left !== versionId) labels.set('AWSPREVIOUS', left);
  return { ...secret, labels };
}

/**
 * The labels of a new value. If AWSCURRENT leaves a version that still has AWSPENDING from its own rotation, AWSPENDING
 * goes away (recorded for PutSecretValue; after UpdateSecretVersionStage it is assumed to stay, as it does in moto). On
 * any other version, that of a rotation under way, it stays.
 */
export function withLabelsOfNewValue(secret: Secret, labels: readonly string[], versionId: string): Secret {
  const next = labels.reduce((rest, label) => withLabel(rest, label, versionId), secret);
  const current = secret.labels.get('AWSCURRENT');
  const left = current !== undefined && current !== next.labels.get('AWSCURRENT');
  return left && next.labels.get('AWSPENDING') === current ? withoutLabel(next, 'AWSPENDING') : next;
}

export function withoutLabel(secret: Secret, label: string): Secret {
  const labels = new Map(secret.labels);
  labels.delete(label);
  return { ...secret, labels };
}

export function withVersion(secret: Secret, version: Version): Secret {
  return { ...secret, versions: new Map(secret.versions).set(version.id, version) };
}

/** Takes a version away, with all its labels. */
export function withoutVersion(secret: Secret, versionId: string): Secret {
  const versions = new Map(secret.versions);
  versions.delete(versionId);
  const labels = new Map([...secret.labels].filter(([, id]) => id !== versionId));
  return { ...secret, versions, labels };
}

const KEPT_VERSIONS = 100;
const KEPT_MS = 24 * 60 * 60 * 1000;

/**
 * Removes the oldest versions without a label once there are more than 100, but none younger than 24 hours
 * (API_PutSecretValue; https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html).
 */
export function trimmed(secret: Secret, now: number): Secret {
  const labelled = new Set(secret.labels.values());
  const removable = [...secret.versions.values()]
    .filter(({ id, createdAt }) => !labelled.has(id) && now - createdAt > KEPT_MS)
    .sort((a, b) => a.createdAt - b.createdAt)
    .slice(0, Math.max(0, secret.versions.size - KEPT_VERSIONS));
  return removable.reduce((rest, { id }) => withoutVersion(rest, id), secret);
}
