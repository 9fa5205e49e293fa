import { conform } from './conform.ts';

await conform('mariadb 11.8');
