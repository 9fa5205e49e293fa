import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { withFreePort } from '../../local/servers/free-port.ts';

test('a start whose port was taken in the meantime gets another one', async () => {
  const ports: number[] = [];
  await using thief = createServer();

  const port = await withFreePort(async (port) => {
    if (ports.push(port) > 1) return port;
    await once(thief.listen(port, '127.0.0.1'), 'listening');
    throw new Error('address in use');
  });

  expect(ports).toHaveLength(2);
  expect(port).not.toBe(ports[0]);
});

test('a start that fails for another reason is not tried again', async () => {
  let tries = 0;
  const start = withFreePort(async () => {
    tries++;
    throw new Error('bad setting');
  });

  await expect(start).rejects.toThrow('bad setting');
  expect(tries).toBe(1);
});
