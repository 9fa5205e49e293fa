import { conform } from './conform.ts';

await conform('postgres 18');
