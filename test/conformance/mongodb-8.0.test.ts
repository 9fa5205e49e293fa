import { conform } from './conform.ts';

await conform('mongodb 8.0');
