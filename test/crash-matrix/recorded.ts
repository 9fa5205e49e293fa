/** Connections that were recorded, to be read again as a proxy reads them. */
import { readFile } from 'node:fs/promises';
import type { Direction } from './message.ts';
import type { Frame, Protocol } from './protocol.ts';

export type Stream = readonly (readonly [Direction, Buffer])[];

/** By name. */
export async function recordedIn(file: URL): Promise<ReadonlyMap<string, Stream>> {
  const recorded: { name: string; stream: [Direction, string][] }[] = JSON.parse(await readFile(file, 'utf8'));
  return new Map(
    recorded.map(({ name, stream }) => [
      name,
      stream.map(([direction, bytes]) => [direction, Buffer.from(bytes, 'base64')] as const),
    ]),
  );
}

export function lengthOf(stream: Stream): number {
  return stream.reduce((sum, [, bytes]) => sum + bytes.length, 0);
}

/** @param cuts between the pieces in which the bytes come, counted over both directions */
export function framesIn(
  protocol: Protocol,
  stream: Stream,
  cuts: readonly number[] = [],
): (Frame & { arrow: string })[] {
  const conversation = protocol.converse();
  let passed = 0;
  return stream.flatMap(([direction, bytes]) => {
    const start = passed;
    passed += bytes.length;
    const within = cuts.map((cut) => cut - start).filter((cut) => cut > 0 && cut < bytes.length);
    const edges = [0, ...within.toSorted((a, b) => a - b), bytes.length];
    return edges
      .slice(1)
      .flatMap((end, index) => [...conversation.push(direction, bytes.subarray(edges[index], end))])
      .map((frame) => ({ ...frame, arrow: `${direction}${frame.name}` }));
  });
}
