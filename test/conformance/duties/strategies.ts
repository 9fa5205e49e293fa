/** Each strategy rotates, with the function as it is built; or is refused in words that say why. */
import { expect, test } from '@jest/globals';
import { type Facts, STRATEGIES } from '../../../shared/database/strategies/facts.ts';
import { tls } from '../../fixtures/tls/tls.ts';
import { Rotating, type RotatingOptions } from '../../rotation/rotating.ts';
import { type Bench, TLS_NAME } from '../bench.ts';

export function strategies(bench: Bench): void {
  const { engine, subject, server } = bench;
  const secret = bench.wire === 'TLS' ? { ssl: true, sslca: tls.ca, sslservername: TLS_NAME } : { ssl: false };

  for (const [name, facts] of Object.entries<Facts>(STRATEGIES)) {
    const { needsAdmin, needsPermission, capability, keepsOldValid } = facts;
    const options: RotatingOptions = {
      secret,
      tags: { 'rotation-strategy': name },
      ...(needsPermission && { environment: { ADMIN_MAY_SET_PASSWORDS: 'true' } }),
      ...(needsAdmin && { admin: { madeTheUser: true, secret } }),
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
        expect(still).toBe(keepsOldValid);
      }
    });
  }
}
