import { rotationHandler } from '../../shared/database/handler.ts';
import { mysql } from './engine.ts';

export const handler = rotationHandler(mysql);
