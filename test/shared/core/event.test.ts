import { describe, expect, test } from '@jest/globals';
import { InvalidEventError, UnknownStepError } from '../../../shared/core/errors.ts';
import { parseEvent } from '../../../shared/core/event.ts';

const GOOD = {
  Step: 'createSecret',
  SecretId: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-AbCdEf',
  ClientRequestToken: '0123456789abcdef0123456789abcdef',
};

describe('an event', () => {
  test('is read, and what we do not know in it is ignored', () => {
    expect(parseEvent({ ...GOOD, SomethingNew: { a: 1 } })).toEqual({
      step: 'createSecret',
      secretId: GOOD.SecretId,
      token: GOOD.ClientRequestToken,
      rotationToken: undefined,
    });
  });

  test('keeps its RotationToken to itself', () => {
    const event = parseEvent({ ...GOOD, RotationToken: 'the-rotation-token' });
    expect(event.rotationToken?.reveal()).toBe('the-rotation-token');
    expect(JSON.stringify(event)).not.toContain('the-rotation-token');
  });

  test.each([
    ['null', null, /not a JSON object/],
    ['a list', [GOOD], /not a JSON object/],
    ['a text', 'createSecret', /not a JSON object/],
    ['no Step', { ...GOOD, Step: undefined }, /has no Step/],
    ['no SecretId', { ...GOOD, SecretId: undefined }, /has no SecretId/],
    ['no ClientRequestToken', { ...GOOD, ClientRequestToken: null }, /has no ClientRequestToken/],
    ['a SecretId that is no text', { ...GOOD, SecretId: 7 }, /SecretId is not a string/],
    ['an empty SecretId', { ...GOOD, SecretId: '' }, /SecretId is not 1 to 2048/],
    ['a short token', { ...GOOD, ClientRequestToken: 'abc' }, /ClientRequestToken is not 32 to 64/],
    ['a long token', { ...GOOD, ClientRequestToken: 'a'.repeat(65) }, /ClientRequestToken is not 32 to 64/],
    ['a line break', { ...GOOD, SecretId: 'a\n{"level":"INFO"}' }, /SecretId has characters beyond/],
    ['an unfit RotationToken', { ...GOOD, RotationToken: 7 }, /RotationToken is not a string/],
  ])('with %s is refused', (_, event, message) => {
    expect(() => parseEvent(event)).toThrow(InvalidEventError);
    expect(() => parseEvent(event)).toThrow(message);
  });

  test('with an unknown step is refused, without repeating it', () => {
    const event = { ...GOOD, Step: 'dropSecret' };
    expect(() => parseEvent(event)).toThrow(UnknownStepError);
    expect(() => parseEvent(event)).not.toThrow(/dropSecret/);
  });
});
