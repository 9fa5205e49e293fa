/** What a MySQL or MariaDB server itself says of an account. */
import { escape as literal } from 'mysql2';
import type { Json, Rotating } from '../../../rotation/rotating.ts';

export function quoted(username: string, host = '%'): string {
  return `${literal(username)}@${literal(host)}`;
}

/** In the server's words: SHOW GRANTS and SHOW CREATE USER. */
export async function wordsOn(rotating: Rotating, account: string): Promise<string[]> {
  const answers: Json[][] = [];
  for (const statement of ['GRANTS FOR', 'CREATE USER'])
    answers.push(await rotating.sql(`SHOW ${statement} ${account}`));
  return answers.flat().map((row) => String(Object.values(row)[0]));
}

/** Without what is an account's own: its name, its password's hash, and the attribute in which the mark is. */
export async function comparable(rotating: Rotating, username: string): Promise<string[]> {
  const name = `\`${username.replaceAll('`', '``')}\`@\`%\``;
  const words = await wordsOn(rotating, quoted(username));
  return words
    .map((line) =>
      line
        .replace(name, '`…`')
        .replace(/ IDENTIFIED (?:BY PASSWORD|WITH '(\w+)' AS) '(?:[^'\\]|\\.)*'/s, ' IDENTIFIED $1')
        .replace(/ ATTRIBUTE '.*'$/s, ''),
    )
    .sort();
}

/** Everything that a rotation could have changed of the accounts in whose name `part` is, hashes among it. */
export async function stored(rotating: Rotating, part: string): Promise<Json[]> {
  const accounts = await rotating.sql(
    'SELECT User AS user, Host AS host, authentication_string AS hash FROM mysql.user WHERE LOCATE(?, User) > 0 ORDER BY 1, 2',
    [part],
  );
  for (const account of accounts)
    account['words'] = await wordsOn(rotating, quoted(String(account['user']), String(account['host'])));
  return accounts;
}
