/** The SQL of the documents, and what they have for mongosh, run on real servers. */
import { expect, test } from '@jest/globals';
import { describeServers, testUnless } from '../servers.ts';
import { blocksIn } from './documents.ts';
import { SCENES, type Scene, statementsIn } from './scenes.ts';

const A_MINUTE = 60_000;

const headings = Map.groupBy([...blocksIn('sql'), ...blocksIn('js')], ({ heading }) => heading);

test('The statements under each heading have a scene, and there is none without', () => {
  expect(Object.keys(SCENES).sort()).toEqual([...headings.keys()].sort());
});

for (const [heading, { engine, unfit, play }] of Object.entries(SCENES))
  describeServers(engine, heading, (server) => {
    const statements = (headings.get(heading) ?? []).flatMap(({ text }) => statementsIn(text));
    testUnless(unfit?.(server))('does what it says', () => play(server, statements), A_MINUTE);
    testUnless(unfit?.(server))('is not done by nothing', () => expect(play(server, [])).rejects.toThrow(), A_MINUTE);
  });

describeServers('postgres', 'A scene', (server) => {
  const { play } = SCENES['docs/decommission.md#postgresql'] as Scene;
  const [become, leave] = ['GRANT "orders_app" TO CURRENT_USER', 'REVOKE "orders_app" FROM CURRENT_USER'];
  const reassign = 'REASSIGN OWNED BY "orders_app_clone" TO "orders_app"';
  const [own, drop] = ['DROP OWNED BY "orders_app_clone"', 'DROP ROLE "orders_app_clone"'];

  test.each([
    ['a statement is missing', [drop], 'cannot be dropped because some objects depend on it'],
    ['a statement is none', ['REASSIGN OWNER BY a TO b'], 'syntax error'],
    ['a name is wrong', ['DROP ROLE "orders_twin"'], 'does not exist'],
    ['what the base should keep is gone', [become, own, drop, leave], 'given_to_twin'],
    ['whoever ran it is left with the base’s rights', [become, reassign, own, drop], 'grantor'],
  ])(
    'shows that %s',
    async (_, statements, words) => {
      await expect(play(server, statements)).rejects.toThrow(words);
    },
    A_MINUTE,
  );
});

test('Statements end with the lines that they end with', () => {
  expect(statementsIn("SELECT ';' AS a\n  FROM b;\n\nSELECT 2;\n")).toEqual(["SELECT ';' AS a\n  FROM b", 'SELECT 2']);
});
