/** Points that are tried wherever the tests run, as those of a whole run take hours: each engine chooses a few of its own. */
import type { StrategyName } from '../../shared/database/strategies/facts.ts';

export type Selection = {
  title: string;
  strategy: StrategyName;
  chosen(point: { id: string; write: boolean }): boolean;
  /** How many there must be. */
  atLeast: number;
};

/** At the database; what happens at Secrets Manager is the same for every engine. */
export const OWN_PASSWORD: Selection = {
  title: 'whatever happens to the change of the own password is survived',
  strategy: 'single-user',
  chosen: ({ id }) => /^setSecret\/db1\/(→Query|←OK):(ALTER|SET-PASSWORD|updateUser-pwd)#1\//.test(id),
  atLeast: 9,
};

export const TWO_USERS: Selection = {
  title: 'alternating users survive a kill around the statements that make, grant, hand over and commit',
  strategy: 'alternating-users',
  chosen: ({ id }) => /setSecret\/db2\/→Query:(CREATE|GRANT|ALTER|REASSIGN|COMMIT)#1\/kill-(before|after)$/.test(id),
  atLeast: 20,
};
