import { postgres } from '../../../functions/postgres/engine.ts';
import type { Rotation } from '../../../shared/core/kind.ts';
import { Secret } from '../../../shared/core/secret.ts';
import type { Credential, Endpoint, Engine, LoginResult, Session } from '../../../shared/database/engine.ts';
import { LoginRefusedError } from '../../../shared/database/errors.ts';
import type { SecretValue } from '../../../shared/database/secret-value.ts';
import type { Database, Prover, Work } from '../../../shared/database/work.ts';

/** A step's database, whose work is this. */
export function onto<S extends Session>(work: Prover<S>): Database<S> {
  const { engine } = work;
  return {
    engine,
    work: () => work,
    proverAt: () => work,
    newPassword: () => new Secret('new'),
  } as unknown as Database<S>;
}

/** The core's part of this work. */
export function rotationOf<S extends Session>(work: Work<S>): Rotation<SecretValue> {
  return { ...work, readyToChange: async () => {} };
}

/** A database of one account in memory, whose change is compare-and-set. */
export class Account {
  password: string;
  /** Done by somebody else right before a change, and before a login. */
  beforeChange: () => void = () => {};
  beforeLogin: (password: string) => void = () => {};
  changes = 0;
  readonly reached: Endpoint[] = [];

  constructor(password: string) {
    this.password = password;
  }

  readonly engine: Engine = {
    ...(postgres as unknown as Engine),
    login: async (to, as: Credential): Promise<LoginResult<Session>> => {
      this.reached.push(to);
      this.beforeLogin(as.password.reveal());
      return as.password.reveal() === this.password
        ? {
            is: 'accepted',
            session: { account: { username: as.username, realm: '' }, close: async () => {}, end: async () => {} },
          }
        : { is: 'refused', why: new LoginRefusedError('refused') };
    },
    outlook: async () => ({ hasRoom: true }),
    exclusively: (_session, _account, work) => work(async () => {}),
    changeOwnPassword: async (_session, from: Secret, to: Secret) => {
      this.beforeChange();
      if (this.password !== from.reveal()) return 'conflict';
      this.password = to.reveal();
      this.changes++;
      return 'set';
    },
  };
}
