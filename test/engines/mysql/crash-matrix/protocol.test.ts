/** What servers and mysql2 really said to each other, recorded with accounts that are long gone. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Frame } from '../../../crash-matrix/protocol.ts';
import { framesIn, lengthOf, recordedIn, type Stream } from '../../../crash-matrix/recorded.ts';
import { mysqlProtocol } from './protocol.ts';

const LOGIN = ['←Handshake', '→HandshakeResponse'];
const FULL = ['←AuthMoreData:FullAuth', '→PublicKeyRequest', '←AuthMoreData:PublicKey', '→AuthResponse'];
const SETTING = ['→Query:SET', '←OK:SET'];
const SELECTING = ['→Query:SELECT', '←Columns', '←Row', '←EOF'];
const SHOWING = ['→Query:SHOW', '←Columns', '←Row', '←EOF'];
const MARIADB = [
  ...LOGIN,
  '←OK:Login',
  ...SETTING,
  ...SELECTING,
  ...SHOWING,
  '→Query:SET-PASSWORD',
  '←OK:SET-PASSWORD',
  '→Query:SELECT',
  '←ERR:1109',
  '→Quit',
];

const expected: Record<string, string[]> = {
  'MySQL 9.7, full authentication': [
    ...LOGIN,
    ...FULL,
    '←OK:Login',
    ...SETTING,
    ...SELECTING,
    ...SHOWING,
    '→Query:ALTER',
    '←OK:ALTER',
    '→Query:ALTER',
    '←ERR:3891',
    '→Query:SELECT',
    '←Columns',
    '←Row',
    '←Row',
    '←EOF',
    '→Query:DO',
    '←OK:DO',
    '→Quit',
  ],
  'MySQL 9.7, fast authentication': [...LOGIN, '←AuthMoreData:FastAuth', '←OK:Login', ...SELECTING, '→Quit'],
  'MySQL 9.7, another plugin': [
    ...LOGIN,
    '←AuthSwitchRequest',
    '→AuthResponse',
    '←AuthMoreData:PublicKey',
    '→AuthResponse',
    '←OK:Login',
    ...SELECTING,
    '→Quit',
  ],
  'MySQL 9.7, refused': [...LOGIN, ...FULL, '←ERR:1045'],
  'MariaDB 10.11': MARIADB,
  'MariaDB 11.8': MARIADB,
};

describe('MySQL’s protocol', () => {
  let recorded: ReadonlyMap<string, Stream>;

  beforeAll(async () => {
    recorded = await recordedIn(new URL('protocol.recorded.json', import.meta.url));
  });

  const streamOf = (name: string) => recorded.get(name) ?? [];
  const framesOf = (name: string, cuts: readonly number[] = []) => framesIn(mysqlProtocol, streamOf(name), cuts);

  test.each(Object.entries(expected))('%s: every message by name', (name, arrows) => {
    const frames = framesOf(name);

    expect(frames.map(({ arrow }) => arrow)).toEqual(arrows);
    expect(Buffer.concat(frames.map(({ bytes }) => bytes))).toEqual(
      Buffer.concat(streamOf(name).map(([, bytes]) => bytes)),
    );
  });

  test.each(Object.keys(expected))('%s: the same messages in whatever pieces the bytes come', (name) => {
    const whole = framesOf(name);

    fc.assert(
      fc.property(fc.array(fc.nat(lengthOf(streamOf(name))), { maxLength: 40 }), (cuts) => {
        expect(framesOf(name, cuts)).toEqual(whole);
      }),
    );
  });

  test('a statement is shown without what stands in quotes', () => {
    const [alter] = framesOf('MySQL 9.7, full authentication').filter(({ name }) => name === 'Query:ALTER');

    expect(alter?.about).toBe("ALTER USER USER() IDENTIFIED BY '…' REPLACE '…'");
  });

  test('an answer ends with its last message', () => {
    const answers = framesOf('MySQL 9.7, fast authentication').filter(({ arrow }) => arrow.startsWith('←'));

    expect(answers.filter(({ endsAnswer }) => endsAnswer).map(({ name }) => name)).toEqual(['OK:Login', 'EOF']);
  });

  test('the error that is put in place of an answer has its number', () => {
    const conversation = mysqlProtocol.converse();
    const [handshake] = [...conversation.push('←', streamOf('MariaDB 10.11')[0]?.[1] as Buffer)] as [Frame];
    const second = { ...handshake, bytes: Buffer.from([...handshake.bytes.subarray(0, 3), 7]) };

    const error = conversation.errorInPlaceOf(second, true);

    expect(error[3]).toBe(7);
    expect([...mysqlProtocol.converse().push('←', error)]).toMatchObject([{ name: 'ERR:1105' }]);
  });

  test('over TLS nobody reads along', () => {
    const conversation = mysqlProtocol.converse();
    const request = Buffer.alloc(36);
    request[0] = 32;
    request.writeUInt32LE(1 << 11, 4);
    const first = streamOf('MySQL 9.7, refused')[0]?.[1] as Buffer;

    const names = [
      ...conversation.push('←', first),
      ...conversation.push('→', request),
      ...conversation.push('→', Buffer.from([1])),
      ...conversation.push('←', Buffer.from([2, 3])),
    ].map(({ name }) => name);

    expect(names).toEqual(['Handshake', 'SSLRequest', 'TLS', 'TLS']);
  });
});
