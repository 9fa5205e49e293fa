/** How a fault strikes a message. */
import type { Message } from './message.ts';
import type { MessageFault } from './points.ts';

/** What a fault can do to its surroundings. */
export type Stage = {
  /** SIGKILL; resolves when the process is gone, to whether it was still there. */
  kill(): Promise<boolean>;
  /** Until the invocation under way is over, or the attempt after this one; resolves to whether that has come about. */
  hold(until: 'end of the invocation' | 'end of the next attempt'): Promise<boolean>;
  restartServer(): Promise<void>;
};

/** Each resolves to whether it was delivered. */
export const strike: Record<MessageFault, (message: Message, stage: Stage) => Promise<boolean>> = {
  async 'kill-before'(message, stage) {
    const killed = await stage.kill();
    message.drop();
    return killed;
  },
  async 'kill-after'(message, stage) {
    await message.forward();
    return stage.kill();
  },
  async drop(message) {
    message.drop();
    return true;
  },
  error: fail,
  'error-each-try': fail,
  /** Longer than any deadline: the function has given up, whichever of its deadlines or the host's came first. */
  async delay(message, stage) {
    const ended = await stage.hold('end of the invocation');
    await message.forward();
    return ended;
  },
  async late(message, stage) {
    const killed = await stage.kill();
    const ended = await stage.hold('end of the next attempt');
    await message.forward();
    return killed && ended;
  },
  async restart(message, stage) {
    await stage.restartServer();
    await message.forward();
    return true;
  },
};

async function fail(message: Message): Promise<boolean> {
  message.fail();
  return true;
}
