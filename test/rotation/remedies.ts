/**
 * The statements that an error says are to be run. For each thing to be settled those to choose from,
 * the one to try first at the beginning.
 *
 * `holds X (run A or B); holds Y (run C).` gives A or B, and C. `run A, or if that is gone B.` gives A or B.
 */
export function remediesIn(message = ''): string[][] {
  const listed = [...message.matchAll(/\(run (.*?)\)(?=; |\. |, so )/gs)].map(([, choice = '']) =>
    choice.split(' or '),
  );
  if (listed.length > 0) return listed;
  const [, said] = /\brun:? (.*?)\.?(?: AWSCURRENT works.*| Nothing was changed.*)?$/s.exec(message) ?? [];
  if (said === undefined) return [];
  return [said.replace(/ where that account holds .*$| there$/, '').split(/, or if that is gone |, and /)];
}
