import { removeOwn } from '../local/servers/leftovers.ts';
import { lender } from './global-setup.ts';

export default async function stopServers(): Promise<void> {
  await lender[Symbol.asyncDispose]();
  await removeOwn();
}
