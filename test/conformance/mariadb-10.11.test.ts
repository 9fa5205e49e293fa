import { conform } from './conform.ts';

await conform('mariadb 10.11');
