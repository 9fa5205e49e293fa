import { mongodb as rotates } from '../../../functions/mongodb/engine.ts';
import { benchmark } from './benchmark.ts';
import { subject } from './conformance/subject.ts';
import { matrix } from './crash-matrix/engine.ts';
import { demo } from './demo.ts';
import { hands } from './interleavings.ts';
import { rotation } from './rotation/engine.ts';

export const mongodb = { rotates, demo, rotation, subject, benchmark, hands: () => hands, matrix: () => matrix };
