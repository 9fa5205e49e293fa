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
 * The twin is a member of the base, and its sessions begin with SET ROLE base: what it makes belongs to the base, and what is granted to the
 * base is granted to it. What a membership does not carry (attributes, settings) is copied. All of it fits into the transaction of
 * `exclusively`, so a crash leaves nothing.
 */
export const twins: Twins<PostgresSession> = {
  state,

  async create(admin, pair) {
    const { username } = pair.twin;
    if ((await rolesNamed(admin, [username])).length > 0) return 'conflict';
    const work = { what: `make the role "${username}"`, cure: createRole(admin) };
    await admin.change(`CREATE ROLE ${name(username)} NOLOGIN`, adminFailure(work));
    await twins.adopt(admin, pair);
    return 'created';
  },

  /** What people wrote in the comment stays in it. */
  async adopt(admin, pair) {
    const { username } = pair.twin;
    const [found] = await rolesNamed(admin, [username]);
    if (found?.comment?.split('\n').includes(lineOf(pair))) return;
    const comment = [found?.comment, lineOf(pair)].filter(Boolean).join('\n');
    const work = { what: `comment on the role "${username}"`, cure: adminOption(admin, username) };
    await admin.change(`COMMENT ON ROLE ${name(username)} IS ${literal(comment)}`, adminFailure(work));
  },

  /** Beside the mark the membership without which that does not count. */
  adoption: (_, pair) => {
    const [base, twin] = [name(pair.base.username), name(pair.twin.username)];
    return `GRANT ${base} TO ${twin}; COMMENT ON ROLE ${twin} IS ${literal(lineOf(pair))}`;
  },

  differences: async (session, pair) => differencesIn(await pictureOf(session, pair), pair, session.account.username),

  apply,

  enable: (admin, pair, which, to) => setPassword(admin, pair[which].username, to, which === 'twin' ? 'LOGIN ' : ''),
};
