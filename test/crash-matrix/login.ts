/** One login, as cheap as it can be: a hundred of them a second go on beside everything else. */
import { connect } from 'node:net';
import { connect as connectOverTls } from 'node:tls';

/** `unknown`: the server is down or starting, or has no connection left. */
export type Verdict = 'accepted' | 'refused' | 'unknown';
/** `at` (performance.now()): soon after the server looked the password up. */
export type Login = { verdict: Verdict; at: number };

export type Who = {
  host: string;
  port: number;
  database: string;
  username: string;
  password: string;
  /** The server takes no plain text. */
  tlsOnly?: true;
};

/** The client's part of a login. */
export interface Dialogue {
  /** What the client says first, if it speaks first. */
  readonly opening?: Buffer;
  /** What there is to say to what came from the server, and how it ended. */
  hear(bytes: Buffer): Iterable<Buffer | Verdict>;
  /** Takes leave, where the server would note down who just goes. */
  readonly goodbye?: Buffer;
}

const LOGIN_TIMEOUT_MS = 5000;

/** Never rejects. The connection is gone when it returns. */
export function attempt(who: Who, dialogue: Dialogue): Promise<Login> {
  return new Promise((resolve) => {
    const to = { host: who.host, port: who.port, noDelay: true, timeout: LOGIN_TIMEOUT_MS };
    const socket = who.tlsOnly ? connectOverTls({ ...to, rejectUnauthorized: false }) : connect(to);
    let hasSpoken = false;
    let at: number | undefined;
    const say = (bytes: Buffer) => {
      hasSpoken = true;
      socket.write(bytes);
    };
    const end = (verdict: Verdict) => {
      if (dialogue.goodbye && verdict === 'accepted') socket.write(dialogue.goodbye);
      socket.destroySoon();
      resolve({ verdict, at: at ?? performance.now() });
    };
    socket.on('error', () => end('unknown'));
    socket.on('timeout', () => {
      socket.destroy();
      end('unknown');
    });
    socket.on('close', () => end('unknown'));
    socket.on(who.tlsOnly ? 'secureConnect' : 'connect', () => dialogue.opening && say(dialogue.opening));
    socket.on('data', (bytes) => {
      if (hasSpoken) at ??= performance.now();
      for (const answer of dialogue.hear(bytes))
        if (typeof answer === 'string') end(answer);
        else say(answer);
    });
  });
}
