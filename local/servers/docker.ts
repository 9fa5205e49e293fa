/** A server in a container of the official image, by Testcontainers. */
import {
  type ContainerRuntimeClient,
  GenericContainer,
  getContainerRuntimeClient,
  ImageName,
  Wait,
} from 'testcontainers';
import { owner } from '../owner.ts';
import { newAddress, type ServerEngine } from './engine.ts';
import { withFreePort } from './free-port.ts';
import type { Row } from './row.ts';
import type { Settings, Started, Unavailable } from './source.ts';
import { whenItHasStarted } from './waiting.ts';

// Testcontainers' own cleaner is an image that no variable here names. `removeContainers` does its work.
process.env['TESTCONTAINERS_RYUK_DISABLED'] ??= 'true';

const LABEL = 'secret-rotation-functions';
const OWNER_LABEL = 'secret-rotation-functions.owner';

export async function serverInDocker(
  engine: ServerEngine,
  row: Row,
  settings: Settings,
): Promise<Started | Unavailable> {
  const docker = await dockerEngine();
  if (docker === undefined) return { remedy: 'start Docker' };
  const image = process.env[row.imageVariable] ?? row.image;
  const problem = await fetchImage(docker, ImageName.fromString(image));
  if (problem) return { remedy: `name in ${row.imageVariable} an image that Docker can get (${image}: ${problem})` };
  return withFreePort((port) => startContainer(docker, engine, image, port, settings));
}

/** For every container that is started here, so that `removeContainers` finds it. */
export function ownerLabels(): Record<string, string> {
  return { [LABEL]: 'test', [OWNER_LABEL]: owner() };
}

/** @returns why there is no such image; undefined if there is */
async function fetchImage(docker: ContainerRuntimeClient, image: ImageName): Promise<string | undefined> {
  try {
    await docker.image.pull(image); // does nothing for an image that Docker has
    return (await docker.image.exists(image)) ? undefined : 'not found';
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}

async function startContainer(
  docker: ContainerRuntimeClient,
  engine: ServerEngine,
  image: string,
  port: number,
  settings: Settings,
): Promise<Started> {
  const host = docker.info.containerRuntime.host;
  const address = newAddress(engine, settings, host === 'localhost' ? '127.0.0.1' : host, port);
  const { environment, command, files = [] } = engine.container(address, settings, await variablesOf(docker, image));
  const container = await new GenericContainer(image)
    .withEnvironment(environment)
    .withCommand(command)
    .withCopyContentToContainer(files)
    .withExposedPorts({ container: engine.defaultPort, host: port }) // a port of Docker's choice would change with a restart
    .withLabels(ownerLabels())
    .withWaitStrategy(Wait.forAll([])) // we wait for an answer to a query instead
    .start();
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(async () => void (await container.stop()));
  const handle = docker.container.getById(container.getId());
  const started = await whenItHasStarted(
    engine,
    {
      source: `Docker image ${image}`,
      address,
      logPlace: { container: container.getId() },
      isRunning: async () => (await handle.inspect()).State.Running,
      restart: () => handle.restart({ t: 10 }),
      stop: () => resources.disposeAsync(),
    },
    () => containerLog(container.getId()),
  );
  // What the image itself did at first is nobody's business, and there are passwords in it.
  if ('file' in engine.containerLog)
    await container.exec(['truncate', '--no-create', '--size=0', engine.containerLog.file]);
  const resources = cleanUp.move();
  return started;
}

async function variablesOf(docker: ContainerRuntimeClient, image: string): Promise<string[]> {
  const { Config } = await docker.container.dockerode.getImage(image).inspect();
  return (Config.Env ?? []).map((variable) => variable.replace(/=.*/s, ''));
}

export async function containerLog(id: string): Promise<string> {
  const docker = await getContainerRuntimeClient();
  const log = await docker.container.getById(id).logs({ stdout: true, stderr: true, follow: false });
  return withoutFrames(log);
}

/** A file in a container that is running. In base64, as what `exec` hands on may be cut in the middle of a character. */
export async function containerFile(id: string, file: string): Promise<string> {
  const docker = await getContainerRuntimeClient();
  const { stdout, stderr, exitCode } = await docker.container.exec(docker.container.getById(id), ['base64', file]);
  if (exitCode !== 0) throw new Error(`${file} cannot be read in container ${id}: ${stderr.trim()}`);
  return Buffer.from(stdout, 'base64').toString();
}

/** Docker puts a header of eight bytes before each piece of output; the last four are its length. */
function withoutFrames(log: Buffer): string {
  const pieces: Buffer[] = [];
  for (let at = 0; at < log.length; ) {
    const end = at + 8 + log.readUInt32BE(at + 4);
    pieces.push(log.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(pieces).toString();
}

/** @returns how many there were */
export async function removeContainers(which: (owner: string) => boolean): Promise<number> {
  const docker = (await dockerEngine())?.container.dockerode;
  if (docker === undefined) return 0;
  const ours = await docker.listContainers({ all: true, filters: { label: [`${LABEL}=test`] } });
  const doomed = ours.filter(({ Labels }) => which(Labels[OWNER_LABEL] ?? ''));
  // Another run may be removing the same ones.
  await Promise.allSettled(doomed.map(({ Id }) => docker.getContainer(Id).remove({ force: true, v: true })));
  return doomed.length;
}

function dockerEngine(): Promise<ContainerRuntimeClient | undefined> {
  return getContainerRuntimeClient().catch(() => undefined);
}
