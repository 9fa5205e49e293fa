/** In characters: https://docs.aws.amazon.com/documentdb/latest/developerguide/limits.html */
const LONGEST_NAME_IN_DOCUMENTDB = 63;

/** MongoDB Atlas, for example, gives out such a name. It has an SRV record, and no address. */
export const UNRESOLVED_HINT =
  "The name in a mongodb+srv URL is no host's: give the primary's host, or an endpoint that follows it.";

export function usernameProblem(name: string, engineKey: string): string | undefined {
  if (name.includes('\0')) return 'has a NUL character, which ends a name where it is sent';
  // The driver escapes only the first of each: cleanUsername in
  // https://github.com/mongodb/node-mongodb-native/blob/main/src/cmap/auth/scram.ts
  if (/=.*=|,.*,/s.test(name)) return 'has more than one "=", or more than one ",": the driver cannot log in with it';
  if (engineKey === 'documentdb' && [...name].length > LONGEST_NAME_IN_DOCUMENTDB)
    return `is longer than ${LONGEST_NAME_IN_DOCUMENTDB} characters, the most that DocumentDB takes`;
  return undefined;
}
