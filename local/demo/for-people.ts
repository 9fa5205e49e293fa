import { type Style, Terminal } from '../../scripts/terminal.ts';
import { STRATEGIES } from '../../shared/database/strategies/facts.ts';
import { engines } from '../../test/engines/engines.ts';
import type { Step } from '../secrets-manager/rotation.ts';
import { PAUSE, TIME_TO_LIVE } from './application.ts';
import { type ApplicationFacts, brokenIn, type Facts, type RotationFacts, type Scene } from './facts.ts';
import type { Audience } from './gather.ts';
import type { Options } from './options.ts';
import type { Labels } from './secret.ts';
import { WORDS } from './strategies.ts';

const STYLES: Record<Step, Style> = {
  createSecret: 'blue',
  setSecret: 'magenta',
  testSecret: 'cyan',
  finishSecret: 'green',
};

export class Person implements Audience {
  readonly #terminal = new Terminal(process);
  readonly #count: number;
  #scene: Pick<Scene, 'strategy' | 'hasNoMarks'>;

  constructor({ rotations, strategy }: Options) {
    this.#count = rotations;
    this.#scene = { strategy };
  }

  preparing(what: string): void {
    this.#terminal.progress(`${what} …`);
  }

  ready(scene: Scene): void {
    const { engine, strategy, server, loginsUncounted, username, secret, admin, bundle } = scene;
    const terminal = this.#terminal;
    this.#scene = scene;
    terminal.print();
    terminal.print(terminal.paint('bold', `Rotating ${username}`));
    terminal.print();
    terminal.row('strategy', `${strategy}: ${WORDS[strategy].summary}`);
    terminal.row('server', server);
    if (loginsUncounted !== undefined)
      terminal.row('', `${loginsUncounted}, so logins of the function are not counted`);
    terminal.row('secret', `${secret}, in an emulator of Secrets Manager`);
    if (admin) terminal.row('admin', `${admin.username}, no superuser, in the secret ${admin.secret}`);
    terminal.row('function', `${bundle}, in a new process for each rotation`);
    terminal.row(
      'application',
      `logs in every ${PAUSE} ms and ${engines[engine].demo.work}; re-reads its cached secret every ${TIME_TO_LIVE} ms and on failure`,
    );
    terminal.row('prober', 'logs in without pause: as AWSCURRENT, if refused AWSPENDING');
  }

  step(step: Step, rotation: number): void {
    this.#terminal.progress(`Rotation ${rotation} of ${this.#count}: ${step} …`);
  }

  rotated(facts: RotationFacts, rotation: number): void {
    const { error, labels, activeUser, newPassword, oldPassword, secretsManagerCalls, logins, application } = facts;
    const alternates = STRATEGIES[this.#scene.strategy].users === 2;
    const terminal = this.#terminal;
    this.#verdict(brokenIn(facts, this.#scene).length === 0, `Rotation ${rotation} of ${this.#count}`);
    if (error !== undefined) terminal.row('error', error);
    this.#timeline(facts);
    terminal.row('labels before', shown(labels.before));
    terminal.row('labels after', shown(labels.after));
    if (alternates) terminal.row('active user', `${activeUser.before} → ${activeUser.after}`);
    const of = (user: string) => (alternates ? ` (${user})` : '');
    terminal.row('passwords', `new ${newPassword}${of(activeUser.after)}, old ${oldPassword}${of(activeUser.before)}`);
    terminal.row(
      'function',
      [`${secretsManagerCalls} Secrets Manager calls`, ...(logins ? [inAndOut(logins.accepted, logins)] : [])].join(
        ', ',
      ),
    );
    terminal.row('application', byUser(application));
  }

  ended({ strategy, rotations, application, prober, username, logUnreadable }: Facts, broken: readonly string[]): void {
    const terminal = this.#terminal;
    const lockOut = Math.max(...rotations.map(({ lockOut }) => lockOut?.ms ?? 0));
    this.#verdict(broken.length === 0, `${rotations.length} of ${this.#count} rotations of ${username}`);
    terminal.row('lock-out', `${lockOut === 0 ? 'none seen' : `at most ${lockOut} ms`}, ${WORDS[strategy].lockOut}`);
    terminal.row(
      'prober',
      `${prober.probes} probes, as AWSCURRENT refused: ${prober.refused}, as AWSPENDING too: ${prober.neither}`,
    );
    terminal.row('application', byUser(application));
    for (const promise of broken) terminal.row('not as promised', promise);
    const log = logUnreadable === undefined ? ' nor in the server’s log of statements' : '';
    if (broken.length === 0) terminal.row('passwords', `none in any output${log}`);
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
    } else {
      terminal.row('lock-out', 'none: AWSCURRENT was accepted at every probe');
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

/** Which user it was is news only where there are two. */
function byUser({ logins, failed, as }: Omit<ApplicationFacts, 'inAgain'>): string {
  const users = Object.entries(as).map(([user, count]) => `${count} as ${user}`);
  return users.length > 1 ? `logins: ${users.join(', ')}, ${failed} failed` : inAndOut(logins, { failed });
}
