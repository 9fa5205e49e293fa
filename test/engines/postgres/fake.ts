/** PostgreSQL's protocol, as a server of a few bytes speaks it. */
import type { Socket } from 'node:net';

/** A message of the protocol, https://www.postgresql.org/docs/current/protocol-message-formats.html */
export function message(type: string, ...body: (string | number)[]): Buffer {
  const content = Buffer.concat(
    body.map((part) =>
      typeof part === 'string' ? Buffer.from(part) : Buffer.from(new Int32Array([part]).buffer).swap32(),
    ),
  );
  const length = Buffer.alloc(4);
  length.writeInt32BE(content.length + 4);
  return Buffer.concat([Buffer.from(type), length, content]);
}

/** ErrorResponse, by its fields' letters. */
export function errorResponse(fields: Record<string, string>): Buffer {
  return message(
    'E',
    `${Object.entries({ S: 'FATAL', V: 'FATAL', ...fields })
      .map(([key, text]) => `${key}${text}\0`)
      .join('')}\0`,
  );
}

/** Every field that an ErrorResponse can have. */
const FIELDS = ['M', 'D', 'H', 'W', 'q', 's', 't', 'c', 'd', 'n', 'F', 'L', 'R', 'P', 'p', 'S', 'V'];

/** An error that has this text in every field. */
export function quoting(text: string, code: string): Buffer {
  return errorResponse({ ...Object.fromEntries(FIELDS.map((field) => [field, text])), C: code });
}

export const READY = message('Z', 'I');
export const accepting = () => Buffer.concat([message('R', 0), READY]);
/** One row with one column, that no other session holds the lock in another database. */
export const notHeld = () =>
  Buffer.concat([
    message('T', '\0\x01held\0', 0, '\0\0', 16, '\0\x01', -1, '\0\0'),
    message('D', '\0\x01', 1, 'f'),
    done(),
  ]);
export const done = () => Buffer.concat([message('C', 'SELECT 1\0'), READY]);

/** Asks for the password in plain text, then says these things, each in answer to a message. */
export function inTurn(...answers: ((heard: string) => Buffer)[]): (socket: Socket) => void {
  return (socket) => {
    socket.once('data', () => {
      socket.write(message('R', 3));
      socket.on('data', (bytes) => {
        // Type and length before, NUL after.
        const answer = answers.shift();
        if (answer) socket.write(answer(bytes.subarray(5, -1).toString()));
      });
    });
  };
}
