import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { Deadline } from '../../../shared/core/deadline.ts';
import { DeadlineError } from '../../../shared/core/errors.ts';

describe('the time of a step', () => {
  test.each([
    [60_000, { 'Secrets Manager': 10_000, RDS: 5000, connecting: 20_000, statements: 10_000 }],
    [900_000, { 'Secrets Manager': 10_000, RDS: 5000, connecting: 20_000, statements: 10_000 }],
    [6000, { 'Secrets Manager': 1000, RDS: 500, connecting: 2000, statements: 1000 }],
  ])('of %i ms is shared out', (remaining, shares) => {
    const deadline = new Deadline(remaining);
    for (const [kind, ms] of Object.entries(shares)) expect(deadline.left(kind as 'connecting')).toBe(ms);
  });

  test('that is spent on one kind is gone for it, and not for the others', async () => {
    const deadline = new Deadline(6000);
    await deadline.spend('statements', 'a statement', () => sleep(200));
    expect(deadline.left('statements')).toBeLessThanOrEqual(800);
    expect(deadline.left('connecting')).toBe(2000);
  });

  test('counts once where two works of one kind go on at the same time', async () => {
    const deadline = new Deadline(6000);
    const work = () => deadline.spend('Secrets Manager', 'a call', () => sleep(300));
    await Promise.all([work(), work(), work()]);
    expect(deadline.left('Secrets Manager')).toBeGreaterThan(400);
    expect(deadline.left('Secrets Manager')).toBeLessThanOrEqual(700);
  });

  test('is spent while the work goes on', async () => {
    const deadline = new Deadline(6000);
    const work = deadline.spend('Secrets Manager', 'a call', () => sleep(300));
    await sleep(200);
    expect(deadline.left('Secrets Manager')).toBeLessThanOrEqual(801);
    await work;
  });

  test('that runs out under way says so, and tells the work to let go', async () => {
    const deadline = new Deadline(600);
    let letGo = false;
    const work = (signal: AbortSignal) => {
      signal.addEventListener('abort', () => {
        letGo = true;
      });
      return new Promise<never>(() => {});
    };
    await expect(deadline.spend('statements', 'a statement', work)).rejects.toThrow(
      /^No answer within \d+ ms from a statement \(/,
    );
    expect(letGo).toBe(true);
    await expect(deadline.spend('statements', 'another', async () => 'late')).rejects.toThrow(
      /^No time is left for another/,
    );
  });

  test('must be enough to prove a change, or none is begun', async () => {
    const deadline = new Deadline(3000);
    await deadline.spend('connecting', 'slow logins', () => sleep(850));
    expect(() => deadline.requireReserve()).toThrow(DeadlineError);
  });

  test('must have a reserve before a change begins', async () => {
    new Deadline(600).requireReserve();
    const nearlyUp = new Deadline(60);
    await sleep(55);
    expect(() => nearlyUp.requireReserve()).toThrow(DeadlineError);
  });
});
