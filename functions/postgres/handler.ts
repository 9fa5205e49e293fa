import { rotationHandler } from '../../shared/database/handler.ts';
import { postgres } from './engine.ts';

export const handler = rotationHandler(postgres);
