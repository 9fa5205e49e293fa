import { expect, test } from '@jest/globals';
import { FAULT_KINDS } from '../../../local/secrets-manager/faults.ts';
import { describeServers } from '../../servers.ts';
import { Rotating } from '../rotating.ts';

/** The full count, 100, runs nightly; FAULT_SEED repeats a run. */
const ROTATIONS = Number(process.env['FAULT_ROTATIONS'] ?? 25);
const SEED = Number(process.env['FAULT_SEED'] ?? Date.now() % 1_000_000);
const ATTEMPTS = 5;

describeServers(
  'postgres',
  'with stale reads, throttling, errors before and after the effect, and lost answers',
  (server) => {
    test(
      `${ROTATIONS} of ${ROTATIONS} rotations converge within ${ATTEMPTS} attempts (FAULT_SEED=${SEED})`,
      async () => {
        await using rotating = await Rotating.on(server);
        const { faults } = rotating.manager;
        const probability = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0.03]));
        faults.set({ probability, seed: SEED, staleForMs: 1000 });
        let converged = 0;
        let attempts = 0;
        for (let i = 0; i < ROTATIONS; i++) {
          const result = await rotating.rotate({ attempts: ATTEMPTS });
          if (!result.succeeded) console.error(`rotation ${i} with FAULT_SEED=${SEED}: ${result.error}`);
          converged += Number(result.succeeded);
          attempts += result.attempts.length;
        }
        console.info(
          `${server.row}, FAULT_SEED=${SEED}: ${converged} of ${ROTATIONS} rotations converged in ${attempts} attempts; ` +
            `delivered ${JSON.stringify(faults.delivered)}`,
        );
        expect(converged).toBe(ROTATIONS);
        // Fewer calls than those of the full count may miss a kind.
        if (ROTATIONS >= 100) for (const kind of FAULT_KINDS) expect(faults.delivered[kind]).toBeGreaterThan(0);
        expect(await rotating.logsIn(rotating.password())).toBe(true);
      },
      ROTATIONS * 10_000,
    );
  },
);
