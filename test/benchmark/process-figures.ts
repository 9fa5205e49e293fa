/** What the operating system says of a process. On Linux only: elsewhere nothing. */
import { readdirSync, readFileSync } from 'node:fs';

/** User's and system's processor time of all threads, in milliseconds: `schedstat` in proc(5), which has nanoseconds. */
export function processorTime(pid: number): number | undefined {
  return reading(() =>
    readdirSync(`/proc/${pid}/task`)
      .map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6)
      .reduce((sum, ms) => sum + ms, 0),
  );
}

/** Megabytes: now, and at most since the process began. */
export type Memory = { resident: number; highest: number };

export function memoryOf(pid: number): Memory | undefined {
  return reading(() => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const megabytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
    return { resident: megabytes('VmRSS'), highest: megabytes('VmHWM') };
  });
}

function reading<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // no /proc
  }
}
