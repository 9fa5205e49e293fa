/** What MongoDB tells of a proof before a password is set: played, because no server at hand keeps authentication restrictions. */
import { expect, test } from '@jest/globals';
import type { Document } from 'mongodb';
import { mongodb } from '../../../../functions/mongodb/engine.ts';
import { Deadline } from '../../../../shared/core/deadline.ts';
import { Secret } from '../../../../shared/core/secret.ts';
import { fakeServer } from '../../../conformance/relay.ts';
import { error, lettingIn } from '../fake.ts';

const ADMIN = { username: 'admin', password: 'correct' };
const from = (...clientSource: string[]) => ({ clientSource });

/** As usersInfo of MongoDB 8.0 nests them. */
const user = (own: Document[], inherited: Document[][] = []): Document => ({
  users: [{ user: 'app', authenticationRestrictions: own, inheritedAuthenticationRestrictions: [inherited] }],
  ok: 1,
});

async function outlook(username: string, info: Document, you = '198.51.100.7:50123') {
  const heard: string[] = [];
  await using server = await fakeServer(
    lettingIn(ADMIN, (command, position) => {
      if (position !== undefined) heard.push(Object.keys(command)[0] ?? '');
      if ('usersInfo' in command) return info;
      return 'whatsmyip' in command ? { you, ok: 1 } : undefined;
    }),
  );
  const to = { host: server.host, port: server.port, tls: 'off', options: {} } as const;
  const as = { username: ADMIN.username, password: new Secret(ADMIN.password) };
  const result = await mongodb.login(to, as, new Deadline(9000));
  if (result.is !== 'accepted') throw result.why;
  heard.length = 0;
  const found = await mongodb.outlook(result.session, { username, realm: 'admin' }, to);
  await result.session.close();
  return { found, heard: heard.filter((name) => name !== 'endSessions') };
}

test.each<[string, Document, string]>([
  ['addresses', user([from('192.0.2.1', '192.0.2.2')]), '192.0.2.1, 192.0.2.2'],
  ['a range', user([from('198.51.100.128/25')]), '198.51.100.128/25'],
  ['a range of IPv6', user([from('2001:db8::/32')]), '2001:db8::/32'],
  ['addresses by one of its roles', user([from('198.51.100.7')], [[from('192.0.2.1')]]), '192.0.2.1'],
])('a user bound to %s from which this function does not come cannot prove a password', async (_, info, sources) => {
  const { found } = await outlook('app', info);
  expect(found).toEqual({
    hasRoom: true,
    unprovable: `may log in from ${sources} only (authenticationRestrictions), and the server knows this function as 198.51.100.7`,
  });
});

test.each<[string, Document]>([
  ['its addresses', user([from('192.0.2.1'), from('198.51.100.0/24')])],
  ['the servers’ addresses', user([{ serverAddress: ['192.0.2.1'] }])],
  ['nothing', user([])],
])('a user bound to %s can', async (_, info) => {
  expect((await outlook('app', info)).found).toEqual({ hasRoom: true });
});

test('what the server does not tell counts as possible', async () => {
  const info = user([from('192.0.2.1')]);
  expect((await outlook('app', info, 'no address')).found).toEqual({ hasRoom: true });
  expect((await outlook('app', error(303, 'x', 'no such field'))).found).toEqual({ hasRoom: true });
});

test('it costs nothing for the session’s own user, one command for another, two if that is bound', async () => {
  expect((await outlook('admin', user([]))).heard).toEqual([]);
  expect((await outlook('app', user([]))).heard).toEqual(['usersInfo']);
  expect((await outlook('app', user([from('192.0.2.1')]))).heard).toEqual(['usersInfo', 'whatsmyip']);
});
