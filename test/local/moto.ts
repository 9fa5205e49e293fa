import { afterAll, describe } from '@jest/globals';
import { GenericContainer, Wait } from 'testcontainers';
import { ownerLabels } from '../../local/servers/docker.ts';
import { absent } from '../absent.ts';

type Moto = { endpoint: string; stop(): Promise<void> };

const remedy = 'start Docker with the image MOTO_IMAGE at hand, or set MOTO_ENDPOINT';

/** Tests against moto: skipped by name where it does not run, failed if REQUIRE_SERVERS=all. */
export function describeMoto(title: string, tests: (endpoint: () => string) => void): void {
  const endpoint = moto?.endpoint;
  describe(title, () => (endpoint === undefined ? absent('moto', remedy) : tests(() => endpoint)));
}

/**
 * Where moto, an independent implementation of the same API, answers; undefined if this machine cannot run it.
 * In this order: MOTO_ENDPOINT; Docker, with the image MOTO_IMAGE or the one pinned here.
 */
async function motoEndpoint(): Promise<Moto | undefined> {
  const given = process.env['MOTO_ENDPOINT'];
  if (given) return { endpoint: given, stop: async () => {} };
  try {
    return await startedInDocker();
  } catch (error) {
    // No Docker, or an image that cannot be pulled from here.
    console.warn(`moto does not run: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
}

async function startedInDocker(): Promise<Moto> {
  const container = await new GenericContainer(process.env['MOTO_IMAGE'] ?? 'motoserver/moto:5.1.4')
    .withExposedPorts(5000)
    .withLabels(ownerLabels())
    .withWaitStrategy(Wait.forHttp('/moto-api/', 5000))
    .start();
  return {
    endpoint: `http://${container.getHost()}:${container.getMappedPort(5000)}`,
    stop: async () => {
      await container.stop();
    },
  };
}

/** Jest must know when it collects the tests whether they can run; each test file has a moto of its own. */
const moto = await motoEndpoint();

afterAll(async () => {
  await moto?.stop();
});
