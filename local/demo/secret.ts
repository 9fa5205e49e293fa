import type { SecretStore } from '../secrets-manager/store.ts';
import type { Credential } from './engine.ts';

export const SECRET = 'orders/database';
export const ADMIN_SECRET = 'orders/admin';

export type Version = Credential & { id: string };

/** Version ids by staging label. */
export type Labels = Readonly<Record<string, string>>;

/** What a version's value says of the user. */
export function credentialIn(value: string): Credential {
  const { username, password } = JSON.parse(value);
  return { username, password };
}

/** Read from the emulator's memory, so that looking takes no time and counts as no call; undefined if it has no value. */
export function versionAt(store: SecretStore, label: string): Version | undefined {
  const id = labelsOf(store)[label];
  if (id === undefined) return undefined;
  try {
    const found = store.getSecretValue({ SecretId: SECRET, VersionId: id });
    return 'SecretString' in found ? { id, ...credentialIn(found.SecretString) } : undefined;
  } catch {
    return undefined; // a pending version between RotateSecret and createSecret
  }
}

export function labelsOf(store: SecretStore): Labels {
  const { VersionIdsToStages = {} } = store.describeSecret({ SecretId: SECRET });
  return Object.fromEntries(Object.entries(VersionIdsToStages).flatMap(([id, stages]) => stages.map((s) => [s, id])));
}
