import type { Pair } from '../../shared/database/engine.ts';
import { PrivilegeError } from '../../shared/database/errors.ts';
import { describeAsAdmin, grantsOf, requireFound } from './description.ts';
import { atEveryHost } from './grants.ts';
import { quoted } from './names.ts';
import type { MySqlSession } from './session.ts';

/**
 * Checks, before anything is changed, that the admin can give the twin two things that the base may
 * hold: SYSTEM_USER and PROXY. Without this check the rotation would stop half way. SYSTEM_USER
 * would even shut an admin that lacks it out of the twin.
 * @throws {PrivilegeError} that names the statement that the admin needs
 */
export async function requireGrantable(admin: MySqlSession, pair: Pair): Promise<void> {
  const base = requireFound(await describeAsAdmin(admin, pair.base), pair.base);
  const [own, by] = [await grantsOf(admin), quoted(admin.account)];
  const lacks = (what: string, cure: string) =>
    new PrivilegeError(
      `The base "${pair.base.username}" holds ${what}, which the admin "${admin.account.username}" cannot give to its twin: let somebody ` +
        `who may, run ${cure}. Nothing was changed.`,
      { user: admin.account.username },
    );
  if (base.grants.dynamic.has('SYSTEM_USER') && !own.dynamic.has('SYSTEM_USER'))
    throw lacks('SYSTEM_USER', `GRANT SYSTEM_USER ON *.* TO ${by} WITH GRANT OPTION`);
  const mayProxy = [...own.proxies].filter(([, grantable]) => grantable).map(([proxied]) => proxied);
  const mayPassOn = mayProxy.filter((own) => /@(?:`%?`|'%?')$/.test(own)).map(atEveryHost);
  const isForAll = (own: string) => /^(?:``|'')@/.test(own);
  for (const proxied of base.grants.proxies.keys()) {
    const needed = atEveryHost(proxied);
    if (!mayPassOn.some((own) => own === needed || isForAll(own)))
      throw lacks(`PROXY on ${proxied}`, `GRANT PROXY ON ${needed} TO ${by} WITH GRANT OPTION`);
  }
}
