/** Each strategy rotates, with the function as it is built; or is refused in words that say why. */
import { expect, test } from '@jest/globals';
import type { StrategyName } from '../../../shared/database/strategies/facts.ts';
import { tls } from '../../fixtures/tls/tls.ts';
import { Rotating, type RotatingOptions } from '../../rotation/rotating.ts';
import { type Bench, TLS_NAME } from '../bench.ts';

export type { StrategyName };

type Need = {
  /** Beside the user's own login. */
  admin: boolean;
  environment?: Record<string, string>;
  capability?: 'byAdmin' | 'twins' | 'overlap';
  /** That the old password stays valid while the new one is not current yet. */
  keepsOld: boolean;
};

export const STRATEGIES: Record<StrategyName, Need> = {
  'single-user': { admin: false, keepsOld: false },
  'single-user-by-admin': {
    admin: true,
    environment: { ADMIN_MAY_SET_PASSWORDS: 'true' },
    capability: 'byAdmin',
    keepsOld: false,
  },
  'alternating-users': { admin: true, capability: 'twins', keepsOld: true },
  'dual-password': { admin: false, capability: 'overlap', keepsOld: true },
};

export function strategies(bench: Bench): void {
  const { engine, subject, server } = bench;
  const secret = bench.wire === 'TLS' ? { ssl: true, sslca: tls.ca, sslservername: TLS_NAME } : { ssl: false };

  for (const [name, { admin, environment, capability, keepsOld }] of Object.entries(STRATEGIES)) {
    const options: RotatingOptions = {
      secret,
      tags: { 'rotation-strategy': name },
      ...(environment && { environment }),
      ...(admin && { admin: { madeTheUser: true, secret } }),
    };
    const found = capability && engine[capability](subject.engineKey);
    if (found && 'unsupported' in found) {
      test(`${name}: none, as ${found.unsupported}`, async () => {
        await using rotating = await Rotating.on(server, options);

        const { error } = await rotating.rotate();

        expect(error).toContain(found.unsupported);
        expect(await rotating.logsIn(rotating.password())).toBe(true);
      });
      continue;
    }
    test(`${name}: rotates three times, and no login fails that should not`, async () => {
      await using rotating = await Rotating.on(server, options);
      if (capability === 'overlap') await subject.allowSecondPassword(rotating.user);
      for (let turn = 0; turn < 3; turn++) {
        const before = rotating.value();

        const { token, error } = await rotating.rotate();

        expect(error).toBeUndefined();
        await rotating.expectComplete(token);
        const still = await rotating.logsIn(String(before['password']), String(before['username']));
        expect(still).toBe(keepsOld);
      }
    });
  }
}
