/** What MongoDB says of users: usersInfo, https://www.mongodb.com/docs/manual/reference/command/usersInfo/ */
import type { Document } from 'mongodb';
import type { Connection, Names } from '../../../crash-matrix/engine.ts';
import { differing, meddledWith } from '../../../crash-matrix/rights.ts';

export type User = {
  /** `role of database` */
  roles: string[];
  /** Whence it may log in. */
  restrictions: unknown[];
  mechanisms: string[];
  customData: Readonly<Record<string, unknown>>;
  /** What the server keeps of it, where it shows that. */
  password: unknown;
};

/** By name. */
export type Users = ReadonlyMap<string, User>;

/** @param isMongod others know neither restrictions nor how to show what they keep of a password */
export async function usersCalled(
  connection: Pick<Connection<readonly Document[]>, 'run'>,
  beginning: string,
  isMongod: boolean,
): Promise<Users> {
  const users = new Map<string, User>();
  const found = await connection.run<Document>([{ usersInfo: 1 }]);
  for (const { user, db, roles, mechanisms = [], customData = {} } of found) {
    if (!user?.startsWith(beginning)) continue; // FerretDB may list one that is being dropped without its name
    const query = { usersInfo: { user, db }, showCredentials: true, showAuthenticationRestrictions: true };
    const [more = {}] = isMongod ? await connection.run<Document>([query]) : [];
    users.set(user, {
      roles: roles.map(({ role, db: of }: Document) => `${role} of ${of}`),
      restrictions: [more['authenticationRestrictions'] ?? []].flat(Number.POSITIVE_INFINITY),
      mechanisms,
      customData,
      password: more['credentials'],
    });
  }
  return users;
}

export function meddling(names: Names, before: Users, now: Users, dormant: string): string[] {
  return meddledWith(names, [before, now], dormant, ({ password, ...rights }, name) =>
    name === dormant ? rights : { ...rights, password },
  );
}

/** But for the twin's mark. */
export function outOfLine({ base, twin }: Names, users: Users): string[] {
  const [wanted, found] = [users.get(base), users.get(twin)];
  if (wanted === undefined || found === undefined) return ['there is no base, or no twin'];
  const view = ({ password: _, customData: { 'secret-rotation': __, ...customData }, ...rights }: User) => {
    return { ...rights, customData };
  };
  return differing(view(wanted), view(found)).map((what) => `the twin is not in line with the base: ${what}`);
}
