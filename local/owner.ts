/**
 * Who started a server or made a temporary directory: every one of them carries its owner's name, so that what a killed
 * process left behind is told apart from what a running one still needs.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

const NAME = 'secret-rotation-functions';
/** Set for the processes of a test run: what they start belongs to the run, which outlives them and cleans up. */
export const OWNER_VARIABLE = 'SECRET_ROTATION_FUNCTIONS_OWNER';

// Two containers that share a Docker engine do not see each other's processes, so the machine is part of the name.
const machine = hostname().replaceAll(/\W/g, '_');

/** This process: its id alone would not do, as ids are used again. */
export const thisProcess = `${process.pid}-${startTime(process.pid)}-${machine}`;

export function owner(): string {
  return process.env[OWNER_VARIABLE] ?? thisProcess;
}

/** False for a process of another machine, of which nothing is known. */
export function isGone(who: string): boolean {
  const [pid, started, where] = who.split('-');
  return where === machine && startTime(Number(pid)) !== started;
}

/** Something that tells this process from any other that has or had its id; undefined if there is no such process. */
function startTime(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).replaceAll(/\W/g, '_');
    }
    // proc_pid_stat(5): field 22, counted from the end of the program's name, which may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const ticks = stat.slice(stat.lastIndexOf(')')).split(' ')[20];
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)}_${ticks}`;
  } catch {
    return undefined;
  }
}

/** What a process was started as; empty if there is no such process. */
export function commandLineOf(pid: number): string {
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      : execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

/** A new directory under the system's temporary one; it is gone when its user disposes of it, or its owner's successor. */
export async function temporaryDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), `${NAME}-${owner()}-`));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** The owner of a temporary directory of ours; undefined for any other name. */
export function ownerOfDirectory(name: string): string | undefined {
  return new RegExp(`^${NAME}-(\\d+-\\w+-\\w+)-\\w{6}$`).exec(name)?.[1];
}
