/** What the rotations on PostgreSQL have in common. */
import type { RotatingOptions } from '../../../rotation/rotating.ts';

/** The admin made the user, as on RDS. */
export const STRATEGIES: [string, RotatingOptions][] = [
  ['single-user', {}],
  [
    'single-user-by-admin',
    {
      admin: { madeTheUser: true },
      tags: { 'rotation-strategy': 'single-user-by-admin' },
      environment: { ADMIN_MAY_SET_PASSWORDS: 'true' },
    },
  ],
  ['alternating-users', { admin: { madeTheUser: true } }],
];

/** With user and admin at this endpoint in place of the server's own: a proxy, say. */
export function through(endpoint: { host: string; port: number }, options: RotatingOptions): RotatingOptions {
  return {
    ...options,
    secret: { ...options.secret, ...endpoint },
    ...(options.admin && { admin: { ...options.admin, secret: endpoint } }),
  };
}
