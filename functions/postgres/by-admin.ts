import type { AccountFacts, ByAdmin } from '../../shared/database/engine.ts';
import { rolesNamed } from './accounts.ts';
import { claimsOn, markAt } from './mark.ts';
import { setPassword } from './password.ts';
import { powerOf } from './power.ts';
import type { PostgresSession } from './session.ts';

export const byAdmin: ByAdmin<PostgresSession> = {
  setPassword: (admin, { username }, to) => setPassword(admin, username, to),
  facts,
};

async function facts(admin: PostgresSession, username: string): Promise<AccountFacts | undefined> {
  const [role] = await rolesNamed(admin, [username]);
  if (role === undefined) return undefined;
  return {
    account: { username, realm: '' },
    privileged: await powerOf(admin, username),
    barred: role.barred ?? undefined,
    owners: [...markAt(role), ...(await claimsOn(admin, username))].map(({ secret }) => secret),
  };
}
