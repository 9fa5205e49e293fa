import type { Step } from '../secrets-manager/rotation.ts';
import { PAUSE } from './application.ts';
import { brokenIn, type Facts, type RotationFacts, type Scene } from './facts.ts';
import type { Audience } from './gather.ts';
import type { Options } from './options.ts';
import type { Labels } from './secret.ts';
import { type Style, Terminal } from './terminal.ts';

const STYLES: Record<Step, Style> = {
  createSecret: 'blue',
  setSecret: 'magenta',
  testSecret: 'cyan',
  finishSecret: 'green',
};

/** Why a lock-out above 0 is as promised. */
const ONE_PASSWORD =
  'by design: one user has one password, so from the database’s commit to the end of finishSecret AWSCURRENT is refused ' +
  'and AWSPENDING alone logs in; on AWS that takes as long as the calls and invocations in between.';

export class Person implements Audience {
  readonly #terminal = new Terminal(process);
  readonly #count: number;

  constructor({ rotations }: Options) {
    this.#count = rotations;
  }

  preparing(what: string): void {
    this.#terminal.progress(`${what} …`);
  }

  ready({ strategy, server, username, secret, bundle }: Scene): void {
    const terminal = this.#terminal;
    terminal.print();
    terminal.print(terminal.paint('bold', `Rotating the password of ${username} (${strategy})`));
    terminal.print();
    terminal.row('server', server);
    terminal.row('secret', `${secret}, in an emulator of Secrets Manager`);
    terminal.row('function', `${bundle}, in a new process for each rotation`);
    terminal.row('application', `logs in every ${PAUSE} ms, re-reads its cached secret on failure`);
    terminal.row('prober', 'logs in without pause: as AWSCURRENT, if refused AWSPENDING');
  }

  step(step: Step, rotation: number): void {
    this.#terminal.progress(`Rotation ${rotation} of ${this.#count}: ${step} …`);
  }

  rotated(facts: RotationFacts, rotation: number): void {
    const { error, labels, newPassword, oldPassword, secretsManagerCalls, logins, application } = facts;
    const terminal = this.#terminal;
    this.#verdict(brokenIn(facts).length === 0, `Rotation ${rotation} of ${this.#count}`);
    if (error !== undefined) terminal.row('error', error);
    this.#timeline(facts);
    terminal.row('labels before', shown(labels.before));
    terminal.row('labels after', shown(labels.after));
    terminal.row('passwords', `new ${newPassword}, old ${oldPassword}`);
    terminal.row('function', `${secretsManagerCalls} Secrets Manager calls, ${inAndOut(logins.accepted, logins)}`);
    terminal.row('application', inAndOut(application.logins, application));
  }

  ended({ rotations, application, prober, username }: Facts, broken: readonly string[]): void {
    const terminal = this.#terminal;
    const lockOuts = rotations.map(({ lockOut }) => lockOut?.ms ?? 0);
    this.#verdict(broken.length === 0, `${rotations.length} of ${this.#count} rotations of ${username}`);
    terminal.row('lock-out', `at most ${Math.max(...lockOuts)} ms, ${ONE_PASSWORD}`);
    terminal.row('prober', `${prober.probes} probes, refused as AWSCURRENT and as AWSPENDING: ${prober.neither}`);
    terminal.row('application', inAndOut(application.logins, application));
    for (const promise of broken) terminal.row('not as promised', promise);
    if (broken.length === 0) terminal.row('passwords', 'none in any output nor in the server’s log of statements');
    terminal.print();
  }

  stopped(): void {
    this.#terminal.erase();
  }

  #verdict(good: boolean, text: string): void {
    const terminal = this.#terminal;
    terminal.print();
    terminal.print(terminal.paint(['bold', good ? 'green' : 'red'], `${good ? '✔' : '✘'} ${text}`));
    terminal.print();
  }

  #timeline({ steps, lockOut }: RotationFacts): void {
    const terminal = this.#terminal;
    const end = Math.max(
      ...steps.map(({ startedAt, ms }) => startedAt + ms),
      lockOut ? lockOut.startedAt + lockOut.ms : 0,
    );
    for (const { step, startedAt, ms } of steps) terminal.bar(step, { from: startedAt, ms, end, style: STYLES[step] });
    if (lockOut) {
      const { startedAt, ms, byPending, refused } = lockOut;
      terminal.bar('lock-out', { from: startedAt, ms, end, style: 'yellow' });
      terminal.row('', `probes as AWSCURRENT refused: ${refused}, as AWSPENDING accepted: ${byPending}`);
    }
    terminal.print();
  }
}

/** Labels with what tells their versions apart. */
function shown(labels: Labels): string {
  return Object.entries(labels)
    .sort()
    .map(([label, id]) => `${label} ${id.slice(0, 8)}`)
    .join(', ');
}

function inAndOut(logins: number, { failed }: { failed: number }): string {
  return `${logins} logins, ${failed} failed`;
}
