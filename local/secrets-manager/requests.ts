import { invalid, invalidParameter, invalidRequest } from './errors.ts';
import type { Rotation, RotationRules, Secret, Value } from './secret.ts';

export type Tag = { Key: string; Value: string };
export type BySecret = { SecretId: string };
/** SecretBinary is base64 text, as it travels. */
export type NewValue = { SecretString?: string; SecretBinary?: string; ClientRequestToken?: string };
export type CreateSecretRequest = NewValue & { Name: string; Description?: string; Tags?: Tag[] };
/** RotationToken is accepted and looked at by nobody: it is not stored, logged or answered. */
export type PutSecretValueRequest = BySecret & NewValue & { VersionStages?: string[]; RotationToken?: string };
export type UpdateSecretRequest = BySecret & NewValue & { Description?: string };
export type GetSecretValueRequest = BySecret & { VersionId?: string; VersionStage?: string };
export type UpdateSecretVersionStageRequest = BySecret & {
  VersionStage: string;
  RemoveFromVersionId?: string;
  MoveToVersionId?: string;
};
export type ListSecretVersionIdsRequest = BySecret & {
  IncludeDeprecated?: boolean;
  MaxResults?: number;
  NextToken?: string;
};
export type RotateSecretRequest = BySecret & {
  ClientRequestToken?: string;
  RotationLambdaARN?: string;
  RotationRules?: RotationRules;
  RotateImmediately?: boolean;
};
export type DeleteSecretRequest = BySecret & { RecoveryWindowInDays?: number; ForceDeleteWithoutRecovery?: boolean };

/** The message for a bad name, which allows an exclamation mark that the rule does not, is recorded. */
export function checkName(name: string): void {
  if (!/^[\w/+=.@-]{1,512}$/.test(name)) {
    throw invalid(
      'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
    );
  }
}

const VALUE_LIMIT_BYTES = 65_536;

/** API_PutSecretValue: one of SecretString and SecretBinary, not both, of no more than 65,536 bytes. */
export function newValueOf({ SecretString: text, SecretBinary: binary }: NewValue): Value | undefined {
  if (text !== undefined && binary !== undefined) {
    throw invalidParameter(
      "You can't specify both a binary secret value and a string secret value in the same secret.",
    );
  }
  const bytes = text === undefined ? Buffer.byteLength(binary ?? '', 'base64') : Buffer.byteLength(text);
  if (bytes > VALUE_LIMIT_BYTES) throw invalid(`A secret value has at most ${VALUE_LIMIT_BYTES} bytes, not ${bytes}.`);
  if (text !== undefined) return { SecretString: text };
  return binary === undefined ? undefined : { SecretBinary: binary };
}

export const TOKEN_MISSING = 'You must provide a ClientRequestToken value. We recommend a UUID-type value.';

/** API_PutSecretValue: 32 to 64 characters. The SDK makes one if the caller gives none; a bare request must have it (recorded). */
export function tokenOf({ ClientRequestToken: token }: { ClientRequestToken?: string }): string {
  if (token === undefined) throw invalidRequest(TOKEN_MISSING);
  if (token.length < 32 || token.length > 64) {
    throw invalidParameter('ClientRequestToken must be 32-64 characters long.');
  }
  return token;
}

export const NO_FUNCTION = 'No Lambda rotation function ARN is associated with this secret.';

/**
 * API_RotateSecret: what the request does not say stays as stored. The message for a missing ARN is quoted from AWS in
 * getmoto/moto pull request 3912; the range of days is API_RotationRulesType's.
 */
export function rotationOf(secret: Secret, request: RotateSecretRequest): Rotation {
  const lambdaArn = request.RotationLambdaARN ?? secret.rotation?.lambdaArn;
  if (lambdaArn === undefined) throw invalidRequest(NO_FUNCTION);
  const rules = request.RotationRules ?? secret.rotation?.rules;
  const days = rules?.AutomaticallyAfterDays;
  if (days !== undefined && (days < 1 || days > 1000)) {
    throw invalidParameter('RotationRules.AutomaticallyAfterDays must be within 1-1000.');
  }
  return { ...secret.rotation, enabled: true, lambdaArn, ...(rules === undefined ? {} : { rules }) };
}
