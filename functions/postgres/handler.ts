import { rotationHandler } from '../../shared/handler.ts';
import { postgres } from './engine.ts';

export const handler = rotationHandler(postgres);
