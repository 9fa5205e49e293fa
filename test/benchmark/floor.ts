/**
 * The floor: a Lambda function that does again what was recorded, with the bare driver and the bare
 * client of Secrets Manager. It makes the same calls and logins, and sends the same statements, in the
 * same order and as much at the same time. It decides nothing. It is bundled with one driver.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  DescribeSecretCommand,
  type DescribeSecretCommandInput,
  GetSecretValueCommand,
  type GetSecretValueCommandInput,
  PutSecretValueCommand,
  type PutSecretValueCommandInput,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
  type UpdateSecretVersionStageCommandInput,
} from '@aws-sdk/client-secrets-manager';
import type { Step } from '../../local/secrets-manager/rotation.ts';
import type { FloorDriver, FloorSession, SecretJson } from './engine.ts';
import type { Act, Recording } from './recording.ts';

type Event = { Step: Step; SecretId: string; ClientRequestToken: string };
type Value = SecretJson & { username: string; password: string; masterarn?: string };

export function floorHandler(driver: FloorDriver): (event: Event) => Promise<void> {
  const client = new SecretsManagerClient({ endpoint: String(process.env['SECRETS_MANAGER_ENDPOINT']) });
  const replay = new Replay(client, driver);
  return (event) => replay.step(event);
}

class Replay {
  readonly #client: SecretsManagerClient;
  readonly #driver: FloorDriver;
  #recordings: Recording[] = [];
  /** That were begun, by earlier processes too. */
  #rotations = Number(process.env['FLOOR_ROTATIONS']);
  #sessions = new Map<number, FloorSession>();
  /** By user. */
  readonly #passwords = new Map<string, string>();
  /** What is recorded, and what takes its place. */
  #ours = new Map<string, string>();
  #current: Value | undefined;
  /** Who gets it. */
  #pendingUser = '';
  #newPassword = '';

  constructor(client: SecretsManagerClient, driver: FloorDriver) {
    this.#client = client;
    this.#driver = driver;
  }

  async step(event: Event): Promise<void> {
    if (this.#recordings.length === 0)
      this.#recordings = JSON.parse(readFileSync(String(process.env['FLOOR_RECORDING']), 'utf8'));
    if (event.Step === 'createSecret') this.#rotations++;
    // The first makes the twin. Then two users take turns.
    const turn = this.#rotations === 1 ? 0 : 1 + (this.#rotations % 2);
    const recording = this.#recordings[turn] as Recording;
    const { values } = recording;
    if (event.Step === 'createSecret') {
      this.#newPassword = randomBytes(24).toString('base64url');
      this.#ours = new Map([
        [values.token, event.ClientRequestToken],
        [values.arn, event.SecretId],
        [values.newPassword, this.#newPassword],
      ]);
    }
    this.#sessions = new Map();
    const done: Promise<void>[] = [];
    for (const act of recording.acts[event.Step])
      done.push(Promise.all(act.after.map((index) => done[index])).then(() => this.#perform(act, recording)));
    await Promise.all(done);
  }

  async #perform(act: Act, recording: Recording): Promise<void> {
    switch (act.is) {
      case 'call':
        return this.#call(act.operation, act.request, recording);
      case 'login': {
        const username = this.#own(act.as);
        const credential = { username, password: String(this.#passwords.get(username)) };
        this.#sessions.set(act.on, await this.#driver.logIn(this.#current as Value, credential));
        return;
      }
      case 'statement': {
        const text = await this.#ownStatement(act.text, recording);
        await this.#sessions
          .get(act.on)
          ?.run(text)
          .catch((error) => {
            if (!act.refused) throw error;
          });
        return;
      }
      case 'goodbye':
        await this.#sessions.get(act.on)?.close();
    }
  }

  #own(recorded: string): string {
    return [...this.#ours].reduce((text, [from, to]) => text.replaceAll(from, to), recorded);
  }

  /** With the new password the statement changes it. */
  async #ownStatement(recorded: string, { values }: Recording): Promise<string> {
    let text = this.#own(recorded);
    let changes = recorded.includes(values.newPassword);
    for (const { form, from } of this.#driver.derived) {
      const found = form.exec(text);
      if (found === null) continue;
      text = text.replace(form, (await from(this.#newPassword, found)).replaceAll('$', '$$$$'));
      changes = true;
    }
    if (changes) this.#passwords.set(this.#pendingUser, this.#newPassword);
    return text;
  }

  async #call(operation: string, recorded: Readonly<Record<string, unknown>>, recording: Recording): Promise<void> {
    const request = JSON.parse(this.#own(JSON.stringify(recorded)));
    switch (operation) {
      case 'DescribeSecret':
        return this.#describe(request as DescribeSecretCommandInput, recording);
      case 'GetSecretValue':
        return this.#get(request as GetSecretValueCommandInput, recording);
      case 'PutSecretValue': {
        const value = this.#successor(String(recorded['SecretString']));
        const put = { ...(request as PutSecretValueCommandInput), SecretString: JSON.stringify(value) };
        await this.#client.send(new PutSecretValueCommand(put));
        return;
      }
      case 'UpdateSecretVersionStage':
        await this.#client.send(new UpdateSecretVersionStageCommand(request as UpdateSecretVersionStageCommandInput));
        return;
      default:
        throw new Error(`The floor does not know ${operation}`);
    }
  }

  async #describe(request: DescribeSecretCommandInput, { values }: Recording): Promise<void> {
    const { VersionIdsToStages = {} } = await this.#client.send(new DescribeSecretCommand(request));
    for (const [id, labels] of Object.entries(VersionIdsToStages)) {
      if (labels.includes('AWSCURRENT')) this.#ours.set(values.versions.current, id);
      if (labels.includes('AWSPREVIOUS') && values.versions.previous) this.#ours.set(values.versions.previous, id);
    }
  }

  async #get(request: GetSecretValueCommandInput, { values }: Recording): Promise<void> {
    const answer = await this.#client.send(new GetSecretValueCommand(request)).catch((error) => {
      if (error.name === 'ResourceNotFoundException') return undefined; // a pending version without a value
      throw error;
    });
    if (answer === undefined || answer.VersionId === this.#ours.get(values.token)) return;
    const value: Value = JSON.parse(String(answer.SecretString));
    this.#passwords.set(value.username, value.password);
    if (answer.ARN !== this.#ours.get(values.arn) || answer.VersionId !== this.#ours.get(values.versions.current))
      return;
    this.#current = value;
    this.#ours.set(values.oldPassword, value.password).set(values.base, value.username.replace(/_clone$/, ''));
    if (values.adminArn && value.masterarn) this.#ours.set(values.adminArn, value.masterarn);
  }

  /** As recorded, but for the endpoint and the password. */
  #successor(recorded: string): Value {
    const { host, port, ssl, sslca, dbname } = this.#current as Value;
    const value: Value = { ...JSON.parse(this.#own(recorded)), host, port, ssl, ...(sslca && { sslca }), dbname };
    this.#pendingUser = value.username;
    return { ...value, password: this.#newPassword };
  }
}
