import pg from 'pg';
import type { Twins } from '../../shared/database/engine.ts';
import { rolesNamed } from './accounts.ts';
import { adminFailure, adminOption, createRole } from './admin-rights.ts';
import { apply } from './apply.ts';
import { pictureOf } from './description.ts';
import { differencesIn } from './differences.ts';
import { lineOf } from './mark.ts';
import { setPassword } from './password.ts';
import type { PostgresSession } from './session.ts';
import { state } from './state.ts';

const { escapeIdentifier: name, escapeLiteral: literal } = pg;

/**
 * The twin is the alternate user: a member of the base, whose sessions begin with SET ROLE base. So
 * the base owns what the twin makes, and a right granted to the base is the twin's too. Membership
 * carries no attributes and no settings: these are copied.
 *
 * Everything happens in the transaction of `exclusively`, so a crash leaves nothing behind. Only
 * what the twin has in other databases is handed over in transactions of their own, before the
 * rest.
 */
export const twins: Twins<PostgresSession> = {
  state,

  async create(admin, pair) {
    const { username } = pair.twin;
    if ((await rolesNamed(admin, [username])).length > 0) return 'conflict';
    const task = { what: `make the role "${username}"`, cure: createRole(admin) };
    await admin.change(`CREATE ROLE ${name(username)} NOLOGIN`, adminFailure(task));
    await twins.adopt(admin, pair);
    return 'created';
  },

  /** Adds a line to the comment of the role, and keeps what people wrote there. */
  async adopt(admin, pair) {
    const { username } = pair.twin;
    const [found] = await rolesNamed(admin, [username]);
    if (found?.comment?.split('\n').includes(lineOf(pair))) return;
    const comment = [found?.comment, lineOf(pair)].filter(Boolean).join('\n');
    const task = { what: `comment on the role "${username}"`, cure: adminOption(admin, username) };
    await admin.change(`COMMENT ON ROLE ${name(username)} IS ${literal(comment)}`, adminFailure(task));
  },

  /** Grants the membership, too: the mark counts only at a member of the base. */
  adoption: (_, pair) => {
    const [base, twin] = [name(pair.base.username), name(pair.twin.username)];
    return `GRANT ${base} TO ${twin}; COMMENT ON ROLE ${twin} IS ${literal(lineOf(pair))}`;
  },

  differences: async (session, pair) => differencesIn(await pictureOf(session, pair), pair, session.account.username),

  apply,

  enable: (admin, pair, which, to) => setPassword(admin, pair[which].username, to, which === 'twin' ? 'LOGIN ' : ''),
};
