export const DUTIES = [
  'login',
  'own password',
  'password by an admin',
  'one at a time',
  'names and passwords',
  'twins',
  'overlap',
  'rehearsal',
  'TLS',
  'deadlines',
  'sessions',
  'silence',
  'strategies',
] as const;
export type DutyName = (typeof DUTIES)[number];
