import { conform } from '../../../conformance/conform.ts';

await conform('mysql 9.7');
