import {
  DescribeSecretCommand,
  type DescribeSecretResponse,
  InvalidRequestException,
  ResourceNotFoundException,
  RotateSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { isFinal, Refusal, sentenceFor } from './errors.ts';

/** From staging label to version. */
export type Labels = ReadonlyMap<string, string>;

export type State = { labels: Labels; isRotationOn: boolean };

export type Rotatable = State & { name: string; arn: string; functionArn: string; lastRotated?: Date };

export type Started = {
  version: string;
  /** What Secrets Manager said of an earlier rotation that it takes up again. */
  resumed?: string;
};

const NOTHING_STARTED = 'Nothing was started.';

/** One secret, of which nothing is read but its description. */
export class Secret {
  readonly #id: string;
  readonly #client = new SecretsManagerClient({});

  constructor(id: string) {
    this.#id = id;
  }

  /** @throws {Refusal} if it cannot be rotated */
  async rotatable(): Promise<Rotatable> {
    const described = await this.#describe().catch(async (error) => {
      const why =
        error instanceof ResourceNotFoundException
          ? `There is no secret ${this.#id} in ${await this.#client.config.region()}.`
          : sentenceFor('secretsmanager:DescribeSecret', error);
      throw new Refusal(`${why} ${NOTHING_STARTED}`);
    });
    const { Name = this.#id, ARN = this.#id, RotationLambdaARN, LastRotatedDate } = described;
    const why = whyNot(described);
    if (why !== undefined) throw new Refusal(`${Name} cannot be rotated: ${why}. ${NOTHING_STARTED}`);
    return {
      ...stateIn(described),
      name: Name,
      arn: ARN,
      functionArn: RotationLambdaARN ?? '',
      ...(LastRotatedDate && { lastRotated: LastRotatedDate }),
    };
  }

  /**
   * Undefined, with the reason told, if it could not be asked this time.
   * @throws {Refusal} if asking again is of no use
   */
  async state(tell: (why: string) => void): Promise<State | undefined> {
    try {
      return stateIn(await this.#describe());
    } catch (error) {
      const sentence = sentenceFor('secretsmanager:DescribeSecret', error);
      if (isFinal(error)) throw new Refusal(`${sentence} The rotation goes on, and nobody follows it.`);
      tell(sentence);
      return undefined;
    }
  }

  /**
   * With AWSPENDING on another version than AWSCURRENT the request is refused, and that version's rotation reattempted.
   * @param token becomes the version's id; the SDK repeats with it a request whose answer was lost
   * @throws {Refusal} if there is no rotation to follow
   */
  async rotate(token: string): Promise<Started> {
    try {
      const { VersionId } = await this.#client.send(
        new RotateSecretCommand({ SecretId: this.#id, ClientRequestToken: token }),
      );
      return { version: VersionId ?? token };
    } catch (error) {
      if (error instanceof InvalidRequestException) {
        const pending = await this.#incomplete();
        // The SDK repeated a request whose answer was lost.
        if (pending === token) return { version: token };
        if (pending !== undefined) return { version: pending, resumed: error.message };
      }
      const outcome = isFinal(error) ? NOTHING_STARTED : 'Whether a rotation was started is not known.';
      throw new Refusal(`${sentenceFor('secretsmanager:RotateSecret', error)} ${outcome}`);
    }
  }

  async #incomplete(): Promise<string | undefined> {
    const described = await this.#describe().catch(() => undefined);
    return described && incompleteIn(stateIn(described).labels);
  }

  #describe(): Promise<DescribeSecretResponse> {
    return this.#client.send(new DescribeSecretCommand({ SecretId: this.#id }));
  }
}

/** The version of a rotation that is not complete (API_RotateSecret: AWSPENDING, and not on AWSCURRENT's version). */
export function incompleteIn(labels: Labels): string | undefined {
  const pending = labels.get('AWSPENDING');
  return pending === labels.get('AWSCURRENT') ? undefined : pending;
}

function whyNot(described: DescribeSecretResponse): string | undefined {
  const { DeletedDate, OwningService, RotationEnabled, RotationLambdaARN } = described;
  if (DeletedDate) return 'it is marked for deletion';
  if (OwningService && !RotationLambdaARN) return `${OwningService} manages it, and rotates it without a function`;
  if (!RotationLambdaARN) return 'no rotation function is attached to it';
  return RotationEnabled
    ? undefined
    : 'its rotation is turned off (`aws secretsmanager rotate-secret` turns it on, its schedule too)';
}

function stateIn({ VersionIdsToStages = {}, RotationEnabled }: DescribeSecretResponse): State {
  const labels = Object.entries(VersionIdsToStages).flatMap(([id, stages]) =>
    stages.map((label) => [label, id] as const),
  );
  return { labels: new Map(labels), isRotationOn: RotationEnabled === true };
}
