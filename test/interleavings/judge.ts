/** Whether a rotation with an act in between kept the promises: judged as a point of the crash matrix is, and by what the act has changed. */
import { isDeepStrictEqual } from 'node:util';
import type { RotationResult } from '../../local/secrets-manager/rotation.ts';
import { STRATEGIES } from '../../shared/database/strategies/facts.ts';
import type { Kept } from '../crash-matrix/engine.ts';
import type { Act, Touched } from './acts.ts';
import type { Version } from './secret.ts';
import { keysOf, type World } from './world.ts';

export type Judgement = {
  outcome: 'converged' | 'refused' | 'not converged';
  /** Of a refusal: the name of the error. */
  cause?: string;
  /** Broken promises, lock-outs first. Empty: all is well. */
  violations: string[];
  /** How often no labelled password logged in, by what a person did. */
  byPeople: number;
  /** How often the function left none for a moment, as a label had moved, and mended it in the same step. */
  repaired: number;
};

/** AWSCURRENT before the last rotation. */
export type From = Version & { logsIn: boolean };

export type Evidence = {
  world: World;
  act: Act | undefined;
  /** The one with the act, and those after it. */
  rotations: readonly RotationResult[];
  from: From;
};

export async function judge(evidence: Evidence): Promise<Judgement> {
  const { world, rotations } = evidence;
  const { lockOuts, byPeople, repaired } = world.lookout;
  const violations = [
    ...lockOuts,
    ...world.violations,
    ...leaks(world),
    ...meddling(evidence, await world.kept()),
    ...(await world.strangersTouched()).map((who) => `the rotation changed ${who}, who is somebody else’s`),
    ...lostEdits(world),
  ];
  const last = rotations.at(-1) as RotationResult;
  const common = { byPeople, repaired };
  if (last.succeeded) {
    const unfinished = await notConverged(evidence, last.token);
    const outcome = unfinished.length > 0 ? 'not converged' : 'converged';
    return { ...common, outcome, violations: [...violations, ...unfinished] };
  }
  const cause = last.attempts.at(-1)?.steps.at(-1)?.error?.errorType ?? 'no attempt';
  const isTrue = CAUSES[cause];
  if (isTrue === undefined)
    return { ...common, outcome: 'not converged', cause, violations: [...violations, `not converged: ${last.error}`] };
  const groundless = (await isTrue(world, new Set(evidence.act?.touches)))
    ? []
    : [`refused without a reason: ${last.error}`];
  return { ...common, outcome: 'refused', cause, violations: [...violations, ...groundless] };
}

/** What only a person can settle, and when that is so. */
const CAUSES: Readonly<Record<string, (world: World, touched: ReadonlySet<Touched>) => boolean | Promise<boolean>>> = {
  async LoginRefusedError(world) {
    await world.discardSecondPassword();
    return isUnknownToAllVersions(world);
  },
  LoginBarredError: (_, touched) => touched.has('account'),
  PrivilegeError: (_, touched) => touched.has('strategy') || touched.has('twin') || touched.has('username'),
  ForeignUserError: async (world, touched) =>
    touched.has('twin') || (!world.hasMarks && (await hasUserOfNoVersion(world))),
  TwinRightsError: async (world, touched) =>
    touched.has('twin') || (touched.has('labels') && (await isActiveTwinOutOfLine(world))),
  DormantUserError: (_, touched) => touched.has('account'),
  AdminSecretError: (_, touched) => touched.has('masterarn') || touched.has('strategy'),
  SecretsManagerError: (_, touched) => touched.has('masterarn'),
  ConfigurationError: (_, touched) => touched.has('strategy'),
  UnknownStrategyError: (_, touched) => touched.has('strategy'),
  PairError: (_, touched) => touched.has('username'),
  InvalidSecretError: (_, touched) => touched.has('form'),
};

/** A person has made it active as it was. */
async function isActiveTwinOutOfLine(world: World): Promise<boolean> {
  const { engine, names, secret } = world;
  return secret.current.value?.['username'] === names.twin && engine.outOfLine(names, await world.kept()).length > 0;
}

/** No version that names AWSCURRENT's user has a password that the server accepts. */
async function isUnknownToAllVersions(world: World): Promise<boolean> {
  const username = String(world.secret.current.value?.['username']);
  return !(await world.kept()).has(username) || !(await isKnownToAVersion(world, username));
}

/** Without a mark only a password shows whose user it is, and no version has that of one of the two. */
async function hasUserOfNoVersion(world: World): Promise<boolean> {
  const { base, twin } = world.names;
  const known = await Promise.all([base, twin].map((username) => isKnownToAVersion(world, username)));
  return known.includes(false);
}

async function isKnownToAVersion(world: World, username: string): Promise<boolean> {
  if (!(await world.kept()).has(username)) return true;
  for (const version of world.secret.versions)
    if (version.value?.['username'] === username && (await world.verdictOn(version)) === 'accepted') return true;
  return false;
}

function leaks({ answers, secret }: World): string[] {
  const written = JSON.stringify(answers);
  const passwords = secret.versions.flatMap(({ value }) => (value === undefined ? [] : [String(value['password'])]));
  return passwords.some((password) => written.includes(password)) ? ['LEAK: a password'] : [];
}

/** Whoever was dormant when: of both only what is neither one's own. */
function meddling({ world, act }: Evidence, now: Kept): string[] {
  const { engine, names, before } = world;
  if (act?.touches.includes('username')) return []; // a pair of other names has been rotated
  const [ofBase, ofTwin] = [names.base, names.twin].map((dormant) =>
    engine.meddledWith(names, before, now, dormant),
  ) as [string[], string[]];
  return ofBase.filter((what) => ofTwin.includes(what));
}

function lostEdits({ secret, wanted }: World): string[] {
  const says = keysOf(secret.current.value);
  return wanted === undefined || isDeepStrictEqual(says, wanted) ? [] : ['what a person wrote into the secret is lost'];
}

async function notConverged({ world, from, act }: Evidence, token: string): Promise<string[]> {
  const { secret, strategy, tagged } = world;
  const { current, labels } = secret;
  const pendingOn = Object.keys(labels).filter((id) => labels[id]?.includes('AWSPENDING'));
  const keepsPrevious = [strategy, tagged ?? strategy].every((name) => STRATEGIES[name].keepsOldValid);
  const isPeoples = act?.touches.some((touched) => ['account', 'twin', 'username', 'masterarn'].includes(touched));
  const isGood = (await world.verdictOn(current)) === 'accepted';
  return [
    ...(isGood ? [] : ['AWSCURRENT does not log in at the end']),
    ...(current.id === token ? [] : ['AWSCURRENT is not the version that was rotated to']),
    ...(current.value?.['password'] === from.value?.['password'] ? ['AWSCURRENT has the old password'] : []),
    ...(pendingOn.some((id) => id !== current.id) ? ['AWSPENDING is left on another version'] : []),
    ...(keepsPrevious && isGood && from.logsIn && !isPeoples ? await previousNotKept(world) : []),
  ];
}

/** Whoever read the secret before the rotation logs in until the next one. */
async function previousNotKept(world: World): Promise<string[]> {
  const previous = world.secret.labelled('AWSPREVIOUS');
  if (previous === undefined || (await world.verdictOn(previous)) !== 'accepted')
    return ['AWSPREVIOUS does not log in at the end'];
  return world.strategy === 'alternating-users' ? world.actsOtherwise([world.secret.current, previous]) : [];
}
