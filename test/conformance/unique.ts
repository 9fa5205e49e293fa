import { randomBytes } from 'node:crypto';
import { Secret } from '../../shared/core/secret.ts';

/** A name or password that no other test uses. */
export const unique = (what = 'user') => `${what}_${randomBytes(6).toString('hex')}`;
export const newPassword = () => new Secret(unique('new'));
