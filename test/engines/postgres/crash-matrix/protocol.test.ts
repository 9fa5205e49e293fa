import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { postgresProtocol } from './protocol.ts';

describe('PostgreSQL’s protocol', () => {
  const message = (letter: string, body: string) => {
    const head = Buffer.from(`${letter}\0\0\0\0`);
    head.writeInt32BE(Buffer.byteLength(body) + 4, letter.length);
    return Buffer.concat([head, Buffer.from(body)]);
  };
  const stream = [
    message('', '\0\x03\0\0user\0me\0\0'),
    message('p', 'SCRAM-SHA-256\0…'),
    message('Q', 'BEGIN READ WRITE; SET LOCAL x = 1\0'),
    message('Q', "SET LOCAL x = 1; ALTER ROLE me PASSWORD 'secret'\0"),
    message('X', ''),
  ];

  test('finds the same messages in whatever pieces the bytes come', () => {
    const whole = Buffer.concat(stream);
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length)), (cuts) => {
        const conversation = postgresProtocol.converse();
        const edges = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
        const frames = edges
          .slice(1)
          .flatMap((end, index) => [...conversation.push('→', whole.subarray(edges[index], end))]);
        expect(frames.map(({ name }) => name)).toEqual(['Startup', 'SASL', 'Query:BEGIN', 'Query:ALTER', 'Terminate']);
        expect(Buffer.concat(frames.map(({ bytes }) => bytes))).toEqual(whole);
      }),
    );
  });

  test('shows a statement without what stands in quotes', () => {
    const [, , , alter] = [...postgresProtocol.converse().push('→', Buffer.concat(stream))];

    expect(alter?.about).toBe("SET LOCAL x = 1; ALTER ROLE me PASSWORD '…'");
  });

  test('reads the error that is put in place of an answer', () => {
    const conversation = postgresProtocol.converse();
    const ready = { name: 'ReadyForQuery', about: '', bytes: message('Z', 'I') };

    expect([...conversation.push('←', conversation.errorInPlaceOf(ready, true))]).toMatchObject([
      { name: 'ErrorResponse', about: 'XX000' },
    ]);
  });
});
