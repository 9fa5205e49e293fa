import { conform } from '../../../conformance/conform.ts';

await conform('postgres 15');
