/** What MySQL and MariaDB say of users, in their own words: SHOW CREATE USER and SHOW GRANTS. */
import type { Connection, Names } from '../../../crash-matrix/engine.ts';
import { differing, meddledWith } from '../../../crash-matrix/rights.ts';

export type Account = {
  /** SHOW CREATE USER without its password. */
  options: string;
  /** SHOW GRANTS, a line each, without its password. */
  grants: string[];
  /** As the server keeps it; with the retained one. */
  password: string;
};

/** By name; an account for some hosts only is called `name@host`. */
export type Accounts = ReadonlyMap<string, Account>;

export async function accountsCalled(
  connection: Pick<Connection<string>, 'run'>,
  beginning: string,
  passwords: string,
): Promise<Accounts> {
  const found = await connection.run<{ user: string; host: string; password: string }>(passwords);
  const accounts = new Map<string, Account>();
  for (const { user, host, password } of found.filter((account) => account.user.startsWith(beginning))) {
    const name = `'${user}'@'${host}'`;
    const lines = async (what: string) =>
      (await connection.run<object>(`SHOW ${what} ${name}`)).map((row) =>
        withoutPassword(Object.values(row).join(' ')),
      );
    const [options = ''] = await lines('CREATE USER');
    const account = { options, grants: await lines('GRANTS FOR'), password };
    accounts.set(host === '%' ? user : `${user}@${host}`, account);
  }
  return accounts;
}

function withoutPassword(text: string): string {
  return text.replaceAll(/ (AS|USING|BY PASSWORD) (0x[0-9A-F]+|'(?:[^'\\]|\\.|'')*')/g, ' $1 …');
}

export function meddling(names: Names, before: Accounts, now: Accounts, dormant: string): string[] {
  return meddledWith(names, [before, now], dormant, ({ password, ...rights }, name) =>
    name === dormant ? rights : { ...rights, password },
  );
}

/** The same lines, with the name of the one for that of the other; but for what the twin is marked with. */
export function outOfLine({ base, twin }: Names, accounts: Accounts): string[] {
  const [wanted, found] = [accounts.get(base), accounts.get(twin)];
  if (wanted === undefined || found === undefined) return ['there is no base, or no twin'];
  const renamed = (text: string) => text.replaceAll(twin, base).replace(/ (ATTRIBUTE|COMMENT) '.*'$/, '');
  const view = ({ options, grants }: Account) => ({ options: renamed(options), grants: grants.map(renamed) });
  return differing(view(wanted), view(found)).map((what) => `the twin is not in line with the base: ${what}`);
}
