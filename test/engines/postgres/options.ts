/** What a PostgreSQL server is started with, wherever it comes from. */
import type { Settings } from '../../../local/servers/source.ts';

const ALWAYS = {
  log_connections: 'on', // tests count logins
  log_disconnections: 'on',
  log_line_prefix: '%m [%p] %q%u@%d ',
  fsync: 'off', // no data here is worth waiting for a disk
};
/** The same on every platform, whatever locales it has. */
export const INITDB_OPTIONS = ['--encoding=UTF8', '--locale=C'];

export function commandLine(settings: Settings, more: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries({ ...ALWAYS, ...more, ...settings.settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
}
