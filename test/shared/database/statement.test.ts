import { expect, test } from '@jest/globals';
import { commandIn } from '../../../shared/database/statement.ts';

test.each([
  ["ALTER USER USER() IDENTIFIED BY 'SECRET' REPLACE 'OLD'", 'ALTER USER'],
  ['SELECT GET_LOCK(1)', 'SELECT'],
  ['  SELECT FROM t', 'SELECT FROM'],
  ["SET PASSWORD = '*ABC'", 'SET PASSWORD'],
  ['COMMIT', 'COMMIT'],
  ["'SECRET'", 'a statement'],
])('of %j an error says %s', (statement, said) => {
  expect(commandIn(statement)).toBe(said);
});
