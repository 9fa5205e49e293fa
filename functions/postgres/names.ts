/**
 * What the function connects to where the secret names no database. The driver would take the
 * user's name.
 */
export const DEFAULT_DATABASE = 'postgres';

/**
 * NAMEDATALEN - 1,
 * https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
const LONGEST_NAME = 63;

/**
 * The server cuts a longer name without an error, and the statement would reach the role with the
 * shorter name.
 */
export function usernameProblem(name: string): string | undefined {
  if (Buffer.byteLength(name) > LONGEST_NAME)
    return `is longer than ${LONGEST_NAME} bytes, the most that PostgreSQL keeps`;
  return name.includes('\0') ? 'has a NUL character, which PostgreSQL does not allow' : undefined;
}
