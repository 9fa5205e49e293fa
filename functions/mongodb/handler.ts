import { rotationHandler } from '../../shared/handler.ts';
import { mongodb } from './engine.ts';

export const handler = rotationHandler(mongodb);
