import { mysql as rotates } from '../../../functions/mysql/engine.ts';
import { benchmark } from './benchmark.ts';
import { subject } from './conformance/subject.ts';
import { matrix } from './crash-matrix/engine.ts';
import { demo } from './demo.ts';
import { hands } from './interleavings.ts';
import { rotation } from './rotation/engine.ts';

export const mysql = { rotates, demo, rotation, subject, benchmark, hands, matrix };
