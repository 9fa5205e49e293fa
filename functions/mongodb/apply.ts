import type { Pair } from '../../shared/database/engine.ts';
import { adminFailure } from './admin-rights.ts';
import type { MongoDifference } from './differences.ts';
import type { MongoSession } from './session.ts';

export async function apply(admin: MongoSession, pair: Pair, { what, command, needs }: MongoDifference): Promise<void> {
  const failure = adminFailure(admin, `settle ${what} of "${pair.twin.username}"`, [needs]);
  await admin.change(command, pair.twin.realm, failure);
}
