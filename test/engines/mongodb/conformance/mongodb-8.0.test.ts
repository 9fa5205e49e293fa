import { conform } from '../../../conformance/conform.ts';

await conform('mongodb 8.0');
