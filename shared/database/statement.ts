/** Statements in the words of an error. */

/**
 * The words with which a statement begins, and nothing of what follows, which may be a password:
 * `ALTER USER` of `ALTER USER USER() IDENTIFIED BY …`.
 */
export function commandIn(statement: string): string {
  return /^[A-Z]+(?: [A-Z]+\b)?/.exec(statement.trim())?.[0] ?? 'a statement';
}
