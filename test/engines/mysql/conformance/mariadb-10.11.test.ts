import { conform } from '../../../conformance/conform.ts';

await conform('mariadb 10.11');
