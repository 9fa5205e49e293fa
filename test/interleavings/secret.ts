/** A secret of the emulator's store, as a person sees it and changes it. */
import { randomUUID } from 'node:crypto';
import { FUNCTION_ARN } from '../../local/secrets-manager/server.ts';
import type { SecretStore } from '../../local/secrets-manager/store.ts';

export type Json = Readonly<Record<string, unknown>>;

/** A version. `value` is undefined if it has none, or if its text is no JSON. */
export type Version = { id: string; value: Json | undefined };

export type Label = 'AWSCURRENT' | 'AWSPENDING' | 'AWSPREVIOUS';

export class Secret {
  readonly store: SecretStore;
  /** Its ARN. */
  readonly id: string;

  constructor(store: SecretStore, id: string) {
    this.store = store;
    this.id = id;
  }

  get labels(): Record<string, string[]> {
    return this.store.describeSecret({ SecretId: this.id }).VersionIdsToStages ?? {};
  }

  /** Undefined if no version has this label. */
  labelled(label: Label): Version | undefined {
    const id = this.#holder(label);
    return id === undefined ? undefined : this.version(id);
  }

  get current(): Version {
    const version = this.labelled('AWSCURRENT');
    if (version === undefined) throw new Error('The secret has lost AWSCURRENT');
    return version;
  }

  /** A version that is AWSCURRENT is not pending any more, whatever label is left on it. */
  get pending(): Version | undefined {
    const version = this.labelled('AWSPENDING');
    return version?.id === this.current.id ? undefined : version;
  }

  #holder(label: Label): string | undefined {
    const { labels } = this;
    return Object.keys(labels).find((id) => labels[id]?.includes(label));
  }

  version(id: string): Version {
    return { id, value: this.#value(id) };
  }

  #value(VersionId: string): Json | undefined {
    try {
      const found = this.store.getSecretValue({ SecretId: this.id, VersionId });
      return 'SecretString' in found ? JSON.parse(found.SecretString) : undefined;
    } catch {
      return undefined;
    }
  }

  /** All that the store still has, the oldest first. */
  get versions(): Version[] {
    return this.store
      .listSecretVersionIds({ SecretId: this.id, IncludeDeprecated: true })
      .Versions.map(({ VersionId }) => this.version(VersionId));
  }

  /** As the console does it: a new version that is AWSCURRENT. */
  put(value: Json | string): void {
    const SecretString = typeof value === 'string' ? value : JSON.stringify(value);
    this.store.putSecretValue({ SecretId: this.id, ClientRequestToken: randomUUID(), SecretString });
  }

  /** Into a version that is pending. */
  putBinary(ClientRequestToken: string): void {
    const SecretBinary = Buffer.from('no text').toString('base64');
    this.store.putSecretValue({ SecretId: this.id, ClientRequestToken, SecretBinary, VersionStages: ['AWSPENDING'] });
  }

  /** @param to undefined takes the label off */
  move(VersionStage: Label, to: string | undefined): void {
    const from = this.#holder(VersionStage);
    if (from === to) return;
    this.store.updateSecretVersionStage({
      SecretId: this.id,
      VersionStage,
      ...(from !== undefined && { RemoveFromVersionId: from }),
      ...(to !== undefined && { MoveToVersionId: to }),
    });
  }

  cancel(): void {
    this.store.cancelRotateSecret({ SecretId: this.id });
  }

  /** RotateSecret. @returns the pending version, which may be an earlier rotation's */
  begin(): string {
    const ClientRequestToken = randomUUID();
    return this.store.beginRotation({ SecretId: this.id, ClientRequestToken, RotationLambdaARN: FUNCTION_ARN }).token;
  }

  tag(Key: string, Value: string): void {
    this.store.tagResource({ SecretId: this.id, Tags: [{ Key, Value }] });
  }
}
