import { rotationHandler } from '../../shared/handler.ts';
import { mysql } from './engine.ts';

export const handler = rotationHandler(mysql);
