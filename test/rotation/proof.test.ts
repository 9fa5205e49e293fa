/** Whoever promotes has proof: a step may be the first that anybody invokes, or another function did the steps before it. */
import { expect, test } from '@jest/globals';
import { engineNames } from '../engines/servers.ts';
import { describeServers } from '../servers.ts';
import { Rotating } from './rotating.ts';

const PAIR = { admin: { madeTheUser: true } };

for (const engine of engineNames) {
  describeServers(engine, 'finishSecret right after createSecret', (server) => {
    test.each([
      ['in the same process', true],
      ['in a process of its own', false],
    ])('%s promotes nothing, for nothing shows that the password works', async (_, isSame) => {
      await using rotating = await Rotating.on(server, { cold: !isSame });
      const before = rotating.value();
      const token = rotating.begin();
      const lambda = await rotating.start();
      const create = rotating.eventOf('createSecret', token);
      expect(await (isSame ? lambda.invoke(create) : rotating.invoke(create))).toMatchObject({ outcome: 'success' });

      const { error } = await lambda.invoke(rotating.eventOf('finishSecret', token));

      expect(error).toMatchObject({ errorType: 'LoginRefusedError' });
      expect(rotating.value()).toEqual(before);
      expect(rotating.labels[token]).toEqual(['AWSPENDING']);
      await rotating.expectRotated(undefined, { token });
    });
  });

  describeServers(engine, 'finishSecret in a process that has not seen setSecret', (server) => {
    test('logs in before it promotes', async () => {
      await using rotating = await Rotating.on(server, { cold: true });
      const token = rotating.begin();
      for (const step of ['createSecret', 'setSecret', 'testSecret'])
        expect(await rotating.step(step, token)).toMatchObject({ outcome: 'success' });
      const pending = rotating.password('AWSPENDING');
      await rotating.setPassword('known to nobody');
      expect((await rotating.step('finishSecret', token)).error).toMatchObject({ errorType: 'LoginRefusedError' });
      expect(rotating.labels[token]).toEqual(['AWSPENDING']);

      await rotating.setPassword(pending);
      expect(await rotating.step('finishSecret', token)).toMatchObject({ outcome: 'success' });
      expect(rotating.labels[token]).toContain('AWSCURRENT');
    });
  });
}

for (const engine of ['postgres', 'mysql'] as const)
  describeServers(engine, 'a twin that another function made, with a password and without rights,', (server) => {
    test.each([
      ['testSecret and finishSecret', ['testSecret', 'finishSecret']],
      ['finishSecret alone', ['finishSecret']],
    ])('is not promoted by %s', async (_, steps) => {
      await using rotating = await Rotating.on(server, PAIR);
      if (engine === 'mysql') await rotating.sql(`GRANT CREATE TEMPORARY TABLES ON *.* TO ${rotating.user}`);
      const before = rotating.value();
      const token = rotating.begin();
      expect(await rotating.step('createSecret', token)).toMatchObject({ outcome: 'success' });
      await rotating.makeUser(rotating.twin, rotating.password('AWSPENDING'));
      const lambda = await rotating.start();

      const results = [];
      for (const step of steps) results.push(await lambda.invoke(rotating.eventOf(step, token)));

      expect(results.at(-1)?.error).toMatchObject({ errorType: 'TwinRightsError' });
      expect(rotating.value()).toEqual(before);
    });
  });
