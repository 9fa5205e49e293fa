/** testSecret called alone finds what would keep a rotation from succeeding, and changes nothing. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { STRATEGIES, type StrategyName } from '../../shared/database/strategies/facts.ts';
import { engineNames, rows } from '../engines/servers.ts';
import { describeServers, type SharedServer, testUnless, testWithLog } from '../servers.ts';
import { countLogins } from './logins.ts';
import { type Json, newPassword, Rotating, type RotatingOptions } from './rotating.ts';

/** What every secret of the strategy has. Alternating users and single user are what `auto` comes to. */
function setUp(strategy: StrategyName): RotatingOptions {
  const { needsAdmin, needsPermission } = STRATEGIES[strategy];
  return {
    ...(needsAdmin && { admin: { madeTheUser: true } }),
    environment: {
      DEFAULT_STRATEGY: strategy,
      ...(needsPermission && { ADMIN_MAY_SET_PASSWORDS: 'true' }),
    },
  };
}

type Fault = {
  what: string;
  strategies: readonly StrategyName[];
  /** In the secret, the admin's secret or the function's settings. */
  options?: (options: RotatingOptions) => RotatingOptions;
  /** In the server. */
  plant?: (rotating: Rotating) => Promise<unknown>;
  errorType: string;
  words: RegExp;
  /** Whether more may follow: the admin may lack rights over a user that it has not made. */
  hasMore?: true;
};

const ALL: readonly StrategyName[] = ['single-user', 'single-user-by-admin', 'alternating-users', 'dual-password'];
const OF_ADMIN: readonly StrategyName[] = ['single-user-by-admin', 'alternating-users'];
const ONE_LOGIN: readonly StrategyName[] = ['single-user', 'alternating-users', 'dual-password'];

const inSecret = (secret: Json) => (options: RotatingOptions) => ({ ...options, secret });
/** In both secrets. */
const at = (secret: Json) => (options: RotatingOptions) => ({
  ...options,
  secret,
  ...(options.admin && { admin: { ...options.admin, secret } }),
});
const inSettings = (environment: Record<string, string>) => (options: RotatingOptions) => ({
  ...options,
  environment: { ...options.environment, ...environment },
});

const FAULTS: readonly Fault[] = [
  {
    what: 'a wrong password',
    strategies: ONE_LOGIN,
    plant: (rotating) => rotating.setPassword(newPassword()),
    errorType: 'LoginRefusedError',
    words: /Set AWSCURRENT’s password in the database, or put the right one into the secret\./,
  },
  {
    what: 'no such user',
    strategies: ONE_LOGIN,
    options: (options) => ({ ...options, withoutUser: true }),
    errorType: 'LoginRefusedError',
    words: /no such user|refuses/,
  },
  {
    what: 'no user for the admin',
    strategies: ['single-user-by-admin'],
    options: (options) => ({ ...options, withoutUser: true }),
    errorType: 'LoginRefusedError',
    words: /There is no user ".*make it first/,
  },
  {
    what: 'a host that does not resolve',
    strategies: ALL,
    options: at({ host: 'nowhere.invalid' }),
    errorType: 'HostNotFoundError',
    words: /nowhere\.invalid does not resolve/,
  },
  {
    what: 'a port at which nobody listens',
    strategies: ['single-user', 'dual-password'],
    options: inSecret({ port: 1 }),
    errorType: 'ConnectionError',
    words: /Nothing listens at /,
  },
  {
    what: 'a server without TLS',
    strategies: ALL,
    options: inSecret({ ssl: true }),
    errorType: 'TlsError',
    words: /"ssl": false/,
  },
  {
    what: 'settings for passwords that are too easy to guess',
    strategies: ALL,
    options: inSettings({ PASSWORD_LENGTH: '5' }),
    errorType: 'PasswordRulesError',
    words: /Raise PASSWORD_LENGTH/,
  },
  {
    what: 'an admin secret that the deployer has not named',
    strategies: OF_ADMIN,
    options: inSettings({ MASTER_SECRET_ARNS: 'none' }),
    errorType: 'AdminSecretError',
    words: /masterSecretArn/,
  },
  {
    what: 'an admin of another host',
    strategies: OF_ADMIN,
    options: (options) => ({ ...options, admin: { madeTheUser: true, secret: { host: 'elsewhere.invalid' } } }),
    errorType: 'AdminSecretError',
    words: /not the same server/,
  },
  {
    what: 'a wrong password of the admin',
    strategies: OF_ADMIN,
    plant: (rotating) => rotating.setPassword(newPassword(), rotating.admin),
    errorType: 'AdminRefusedError',
    words: /the admin of the secret's "masterarn"/,
  },
  {
    what: 'no leave of the deployer',
    strategies: ['single-user-by-admin'],
    options: inSettings({ ADMIN_MAY_SET_PASSWORDS: 'false' }),
    errorType: 'ConfigurationError',
    words: /ADMIN_MAY_SET_PASSWORDS/,
  },
  {
    what: 'somebody else’s user of the twin’s name',
    strategies: ['alternating-users'],
    plant: (rotating) => rotating.makeUser(rotating.twin, newPassword()),
    errorType: 'ForeignUserError',
    words: /nothing shows that it is this secret's/,
    hasMore: true,
  },
  {
    what: 'a pair of one user',
    strategies: ['alternating-users'],
    options: inSecret({ baseusername: 'app', alternateusername: 'app' }),
    errorType: 'PairError',
    words: /are the same user/,
  },
];

/** What the strategy asks of the user itself, if there is such a user. */
async function giveRights(rotating: Rotating, strategy: StrategyName): Promise<void> {
  if (strategy !== 'dual-password') return;
  const [account] = await rotating.sql('SELECT 1 FROM mysql.user WHERE User = ?', [rotating.user]);
  if (account) await rotating.sql(`GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ?@'%'`, [rotating.user]);
}

/** Why the server has no such strategy. */
function lacks(server: SharedServer, strategy: StrategyName): string | undefined {
  return strategy === 'dual-password' && rows[server.row].engineKey !== 'mysql' ? 'one password for a user' : undefined;
}

/** Takes connections, and never says a word. */
async function listening(): Promise<AsyncDisposable & { endpoint: { host: string; port: number } }> {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => void sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  return {
    endpoint: { host: '127.0.0.1', port: (silent.address() as AddressInfo).port },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      silent.close();
    },
  };
}

for (const engine of engineNames)
  describeServers(engine, 'testSecret alone', (server) => {
    for (const { what, strategies, options = (given: RotatingOptions) => given, plant, ...fault } of FAULTS)
      for (const strategy of strategies)
        testUnless(lacks(server, strategy))(`finds ${what}, as a rotation does, ${strategy}`, async () => {
          await using rotating = await Rotating.on(server, options(setUp(strategy)));
          const { errorType, words, hasMore } = fault;
          await giveRights(rotating, strategy);
          await plant?.(rotating);

          const [first, ...more] = await rotating.preflight();
          expect(first).toEqual({ errorType, message: expect.stringMatching(words) });
          if (!hasMore) expect(more).toEqual([]);

          await rotating.expectRefused(errorType, words);
        });

    for (const strategy of ALL)
      (lacks(server, strategy) ? testUnless(lacks(server, strategy)) : testWithLog(server))(
        `lets a healthy secret pass, before its first rotation and later, ${strategy}`,
        async () => {
          await using logins = await countLogins(server);
          const options = setUp(strategy);
          const secret = logins.endpoint;
          const admin = options.admin && { ...options.admin, secret };
          await using rotating = await Rotating.on(server, { ...options, secret, ...(admin && { admin }) });
          await giveRights(rotating, strategy);

          expect(await rotating.preflight()).toEqual([]);

          expect(await logins.of(rotating.user)).toEqual({ accepted: 1, failed: 0 });
          expect(await logins.of(rotating.twin)).toEqual({ accepted: 0, failed: 0 });
          expect(await logins.of(rotating.admin)).toEqual({
            accepted: STRATEGIES[strategy].needsAdmin ? 1 : 0,
            failed: 0,
          });
          // Five times for a pending value, and a slow server lets the labels age.
          const [reads, calls] = [Array(5).fill('GetSecretValue'), rotating.calls];
          const ofAdmin = STRATEGIES[strategy].needsAdmin ? ['GetSecretValue'] : [];
          expect(calls.slice(0, 7 + ofAdmin.length)).toEqual([
            ...reads,
            'DescribeSecret',
            'GetSecretValue',
            ...ofAdmin,
          ]);

          await rotating.expectRotated();
          expect(await rotating.preflight()).toEqual([]);
          await rotating.expectRotated();
          expect(await rotating.preflight()).toEqual([]);
          await rotating.expectRotated();
        },
      );

    test('finds what is wrong in the secret, in its settings and at its login at once, single user', async () => {
      const options = inSettings({ PASSWORD_LENGTH: '5' })(setUp('single-user'));
      await using rotating = await Rotating.on(server, options);
      await rotating.setPassword(newPassword());
      expect((await rotating.preflight()).map(({ errorType }) => errorType)).toEqual([
        'PasswordRulesError',
        'LoginRefusedError',
      ]);
      expect(rotating.logged).toContainEqual(
        expect.objectContaining({
          outcome: 'failed',
          message: expect.stringMatching(/^2 findings: \(1\) PasswordRulesError: .* \(2\) LoginRefusedError: /),
          cause: expect.objectContaining({ name: 'PasswordRulesError', retryHelps: false }),
        }),
      );
    });

    test('ends in time at a host that never answers', async () => {
      await using silent = await listening();
      await using rotating = await Rotating.on(server, {
        ...setUp('alternating-users'),
        admin: { madeTheUser: true, secret: silent.endpoint },
        secret: silent.endpoint,
        timeoutMs: 12_000,
      });
      const started = performance.now();
      expect((await rotating.preflight()).map(({ errorType }) => errorType)).toEqual(['DeadlineError']);
      expect(performance.now() - started).toBeLessThan(12_000);
      expect((await rotating.rotate()).attempts[0]?.steps.at(-1)?.error?.errorType).toBe('DeadlineError');
    });

    test('lets a wrong password pass that the admin replaces, with a warning', async () => {
      await using rotating = await Rotating.on(server, setUp('single-user-by-admin'));
      await rotating.setPassword(newPassword());
      expect(await rotating.preflight()).toEqual([]);
      expect(rotating.logged).toContainEqual(
        expect.objectContaining({
          level: 'WARN',
          message: expect.stringMatching(/refuses the password in AWSCURRENT/),
        }),
      );
      await rotating.expectRotated();
    });
  });
