import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers';

/**
 * Where moto, an independent implementation of the same API, answers; undefined if this machine cannot run it.
 * In this order: MOTO_ENDPOINT; Docker, with the image MOTO_IMAGE or the one pinned here.
 */
export async function motoEndpoint(): Promise<{ endpoint: string; stop(): Promise<void> } | undefined> {
  const given = process.env['MOTO_ENDPOINT'];
  if (given) return { endpoint: given, stop: async () => {} };
  if (!(await dockerAnswers())) return undefined;
  const container = await new GenericContainer(process.env['MOTO_IMAGE'] ?? 'motoserver/moto:5.1.4')
    .withExposedPorts(5000)
    .withLabels({ 'secret-rotation-functions': 'test' })
    .withWaitStrategy(Wait.forHttp('/moto-api/', 5000))
    .start();
  return {
    endpoint: `http://${container.getHost()}:${container.getMappedPort(5000)}`,
    stop: async () => {
      await container.stop();
    },
  };
}

async function dockerAnswers(): Promise<boolean> {
  try {
    await getContainerRuntimeClient();
    return true;
  } catch {
    return false;
  }
}
