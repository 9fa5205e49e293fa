import { expect, test } from '@jest/globals';
import { mongodb } from '../../../../functions/mongodb/engine.ts';

test.each(['==a', 'a=b=', ',,', 'a,\n,', 'nul\0'])('the name %j is refused before anything is stored', (name) => {
  expect(mongodb.usernameProblem(name, 'mongo')).toEqual(expect.any(String));
});

test.each(['a=b,c', ',=', 'app', '$external', 'ü ñ'])('the name %j is none to refuse', (name) => {
  expect(mongodb.usernameProblem(name, 'mongo')).toBeUndefined();
});

test('DocumentDB takes 63 characters', () => {
  expect(mongodb.usernameProblem('ü'.repeat(63), 'documentdb')).toBeUndefined();
  expect(mongodb.usernameProblem('ü'.repeat(64), 'documentdb')).toMatch(/longer than 63/);
});
