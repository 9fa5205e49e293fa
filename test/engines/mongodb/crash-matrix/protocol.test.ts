/** What FerretDB and the driver really said to each other, recorded with accounts that are long gone. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Frame } from '../../../crash-matrix/protocol.ts';
import { framesIn, lengthOf, recordedIn, type Stream } from '../../../crash-matrix/recorded.ts';
import { bodyOf, message, mongodbProtocol } from './protocol.ts';

const expected: Record<string, string[]> = {
  'FerretDB 2.7, the watching connection': ['→Query:hello', '←OK:hello'],
  'FerretDB 2.7, a password changed': [
    '→Query:hello',
    '←OK:hello',
    '→Query:saslContinue',
    '←OK:Login',
    '→Query:usersInfo',
    '←OK:usersInfo',
    '→Query:updateUser',
    '←ERR:2',
    '→Query:updateUser-pwd',
    '←OK:updateUser-pwd',
    '→Query:endSessions',
  ],
  'FerretDB 2.7, refused': ['→Query:hello', '←OK:hello', '→Query:saslContinue', '←ERR:18'],
  'FerretDB 2.7, an unknown user': ['→Query:hello', '←OK:hello', '→Query:saslStart', '←ERR:18'],
};
const CHANGED = 'FerretDB 2.7, a password changed';

describe('MongoDB’s protocol', () => {
  let recorded: ReadonlyMap<string, Stream>;

  beforeAll(async () => {
    recorded = await recordedIn(new URL('protocol.recorded.json', import.meta.url));
  });

  const streamOf = (name: string) => recorded.get(name) ?? [];
  const framesOf = (name: string, cuts: readonly number[] = []) => framesIn(mongodbProtocol, streamOf(name), cuts);

  test.each(Object.entries(expected))('%s: every message by name', (name, arrows) => {
    const frames = framesOf(name);

    expect(frames.map(({ arrow }) => arrow)).toEqual(arrows);
    const handedOn = streamOf(name).slice(0, arrows.length);
    expect(Buffer.concat(frames.map(({ bytes }) => bytes))).toEqual(Buffer.concat(handedOn.map(([, bytes]) => bytes)));
  });

  test.each(Object.keys(expected))('%s: the same messages in whatever pieces the bytes come', (name) => {
    const whole = framesOf(name);

    fc.assert(
      fc.property(fc.array(fc.nat(lengthOf(streamOf(name))), { maxLength: 40 }), (cuts) => {
        expect(framesOf(name, cuts)).toEqual(whole);
      }),
    );
  });

  test('an answer to what wants none is not handed on', () => {
    expect(streamOf(CHANGED)).toHaveLength((expected[CHANGED]?.length ?? 0) + 1);
  });

  test('who never logs in only watches', () => {
    const watching = Object.keys(expected).filter((name) => framesOf(name).every(({ watches }) => watches));

    expect(watching).toEqual(['FerretDB 2.7, the watching connection']);
    expect(framesOf(CHANGED).some(({ watches }) => watches)).toBe(false);
  });

  test('a command is shown without a password, and without what proves one', () => {
    const abouts = framesOf(CHANGED).map(({ about }) => about);

    expect(abouts).toContain(
      '{"updateUser":"hm_rec","pwd":"…","writeConcern":{"w":"majority","wtimeout":1000},"maxTimeMS":1000}',
    );
    const proofs = abouts.filter((about) => about.includes('"sasl'));
    expect(proofs).toHaveLength(2);
    for (const about of proofs) expect(about).toContain('"payload":"…"');
  });

  test('a password is named wherever a command has one, and what changes something is known', () => {
    const nameOf = (command: object) => [...mongodbProtocol.converse().push('→', message(1, command))][0]?.name ?? '';

    expect(nameOf({ updateUser: 'a', customData: {} })).toBe('Query:updateUser');
    expect(nameOf({ updateUser: 'a', roles: [], pwd: 'b' })).toBe('Query:updateUser-pwd');
    expect(nameOf({ isMaster: 1 })).toBe('Query:hello');
    const commands = ['createUser', 'updateUser', 'grantRolesToUser', 'revokeRolesFromUser', 'usersInfo', 'hello'];
    const writes = commands.filter((command) => mongodbProtocol.isWrite(nameOf({ [command]: 'a' })));
    expect(writes).toEqual(['createUser', 'updateUser', 'grantRolesToUser', 'revokeRolesFromUser']);
  });

  test.each(['←OK:hello', '←OK:updateUser-pwd'])('the error that is put in place of %s is read as one', (arrow) => {
    const conversation = mongodbProtocol.converse();
    const stream = streamOf(CHANGED);
    const at = framesOf(CHANGED).findIndex((frame) => frame.arrow === arrow);
    const { bytes, ...frame } = framesOf(CHANGED)[at] as Frame;
    for (const [direction, before] of stream.slice(0, at)) for (const _ of conversation.push(direction, before));

    const error = conversation.errorInPlaceOf({ ...frame, bytes }, true);

    expect(error.subarray(4, 16)).toEqual(bytes.subarray(4, 16));
    expect(bodyOf(error)).toMatchObject({ ok: 0, code: 1 });
    expect([...conversation.push('←', error)]).toMatchObject([{ name: 'ERR:1', about: 'InternalError' }]);
  });

  test('what is no message of MongoDB’s is no endless wait', () => {
    const conversation = mongodbProtocol.converse();

    expect(() => [...conversation.push('→', Buffer.from('GET / HTTP/1.1\r\n\r\n'))]).toThrow('no message of MongoDB’s');
  });
});
