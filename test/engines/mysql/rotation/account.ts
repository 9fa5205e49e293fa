/** What a MySQL or MariaDB server itself says of an account. */
import type { Rotating } from '../../../rotation/rotating.ts';
import { quoted, wordsOn as wordsBy } from '../users.ts';

export { quoted };

/** In the server's words: SHOW GRANTS and SHOW CREATE USER. */
export function wordsOn(rotating: Rotating, account: string): Promise<string[]> {
  return wordsBy((statement, values) => rotating.sql(statement, values), account);
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
