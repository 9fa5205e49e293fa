import { rotationHandler } from '../../shared/database/handler.ts';
import { mongodb } from './engine.ts';

export const handler = rotationHandler(mongodb);
