/** For which clients an account may be, as the servers match hosts: https://dev.mysql.com/doc/refman/9.7/en/account-names.html */
import { expect, test } from '@jest/globals';
import { mayBeFrom } from '../../../../functions/mysql/outlook.ts';

const ADDRESS = '10.1.2.3';

test.each([
  ['%', true],
  ['', true],
  [ADDRESS, true],
  ['10.1.%', true],
  ['10.1.2._', true],
  ['10.1.0.0/255.255.0.0', true],
  ['10.1.2.0/24', true],
  ['10.2.%', false],
  ['10.1.2', false],
  ['10.1.3.0/24', false],
  ['10.2.0.0/255.255.0.0', false],
  ['2001:db8::/32', false],
  ['localhost', false],
  ['%.example.com', false],
])('a client known by its address may have an account for "%s": %s', (host, may) => {
  expect(mayBeFrom(host, ADDRESS)).toBe(may);
});

test.each([
  ['APP.example.com', true],
  ['%.example.com', true],
  ['app\\_example.com', false],
  ['localhost', false],
  // The server compares the address, too, and nothing tells which that is.
  ['10.1.%', true],
  ['10.1.2.0/24', true],
  ['2001:db8::7', true],
])('a client known by its name may have an account for "%s": %s', (host, may) => {
  expect(mayBeFrom(host, 'app.example.com')).toBe(may);
});
