import { conform } from '../../../conformance/conform.ts';

await conform('mariadb 11.8');
