import { removeOwn } from '../local/servers/leftovers.ts';
import { started } from './global-setup.ts';

export default async function stopServers(): Promise<void> {
  await Promise.all(started.map((server) => server.stop()));
  await removeOwn();
}
