import { conform } from './conform.ts';

await conform('mysql 9.7');
