import { mysql as rotates } from '../../../functions/mysql/engine.ts';
import { subject } from './conformance/subject.ts';
import { matrix } from './crash-matrix/engine.ts';
import { demo } from './demo.ts';

export const mysql = { rotates, demo, subject, matrix };
