import { invalidRequest, notFound, ServiceError } from './errors.ts';
import type { GetSecretValueRequest, ListSecretVersionIdsRequest } from './requests.ts';
import { type Secret, stagesOf, type Version } from './secret.ts';

/** What the read operations answer of a secret. A field that is undefined is not in the answer. */

export const identity = ({ arn, name }: Secret) => ({ ARN: arn, Name: name });

/** Times travel as seconds since the epoch, with a fraction. */
export const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000);

/** A version without a label has no field VersionStages (recorded for ListSecretVersionIds, assumed elsewhere). */
export function stagesOrNone(secret: Secret, versionId: string): string[] | undefined {
  const stages = stagesOf(secret, versionId);
  return stages.length === 0 ? undefined : stages;
}

/**
 * API_DescribeSecret. RotationEnabled is absent until rotation was configured; LastRotatedDate also while rotation is
 * off. VersionIdsToStages has the versions with a label, the registered pending one among them before it has a value.
 */
export function describe(secret: Secret) {
  const { rotation, tags } = secret;
  const versions = [...secret.versions.keys()]
    .map((id) => [id, stagesOf(secret, id)] as const)
    .filter(([, stages]) => stages.length > 0);
  return {
    ...identity(secret),
    Description: secret.description,
    RotationEnabled: rotation?.enabled,
    RotationLambdaARN: rotation?.lambdaArn,
    RotationRules: rotation?.rules,
    LastRotatedDate: rotation?.enabled ? seconds(rotation.rotatedAt) : undefined,
    CreatedDate: seconds(secret.createdAt),
    LastChangedDate: seconds(secret.changedAt),
    DeletedDate: seconds(secret.deletedAt),
    Tags: tags === undefined ? undefined : [...tags].map(([Key, Value]) => ({ Key, Value })),
    VersionIdsToStages: versions.length === 0 ? undefined : Object.fromEntries(versions),
  };
}

/**
 * API_GetSecretValue. By id, by label, or by both, which must then belong together; by default AWSCURRENT. The messages
 * and the error for an id and a label that do not belong together, InvalidRequestException, are recorded.
 */
export function getValue(secret: Secret, request: GetSecretValueRequest) {
  const label = request.VersionStage ?? (request.VersionId === undefined ? 'AWSCURRENT' : undefined);
  const id = request.VersionId ?? secret.labels.get(label ?? '');
  const version = id === undefined ? undefined : secret.versions.get(id);
  if (version !== undefined && label !== undefined && secret.labels.get(label) !== version.id) {
    throw invalidRequest('You provided a VersionStage that is not associated to the provided VersionId.');
  }
  if (version?.value === undefined) {
    const wanted = label === undefined ? `VersionId: ${request.VersionId}` : `staging label: ${label}`;
    throw notFound(`Secrets Manager can't find the specified secret value for ${wanted}`);
  }
  return {
    ...identity(secret),
    VersionId: version.id,
    ...version.value,
    VersionStages: stagesOrNone(secret, version.id),
    CreatedDate: seconds(version.createdAt),
  };
}

/** API_ListSecretVersionIds. Versions without a label are listed on request. The order, oldest first, is assumed. */
export function listVersions(secret: Secret, request: ListSecretVersionIdsRequest) {
  const labelled = new Set(secret.labels.values());
  const versions = [...secret.versions.values()]
    .filter(({ id }) => request.IncludeDeprecated || labelled.has(id))
    .sort((a, b) => a.createdAt - b.createdAt);
  const start = pageStart(versions, request.NextToken);
  const end = start + (request.MaxResults ?? 100);
  return {
    ...identity(secret),
    Versions: versions.slice(start, end).map(({ id, createdAt }) => ({
      VersionId: id,
      VersionStages: stagesOrNone(secret, id),
      CreatedDate: seconds(createdAt),
      KmsKeyIds: ['DefaultEncryptionKey'],
    })),
    NextToken: versions[end]?.id,
  };
}

/** The token is the id of the page's first version; to the caller it means nothing. */
function pageStart(versions: readonly Version[], token: string | undefined): number {
  if (token === undefined) return 0;
  const start = versions.findIndex(({ id }) => id === token);
  if (start < 0) throw new ServiceError('InvalidNextTokenException', 'The NextToken value is invalid.');
  return start;
}
