/** What every source of servers (address, Docker, binary on PATH, npm) is asked and answers. */
export type Address = {
  host: string;
  port: number;
  /** The superuser's. */
  database: string;
  superuser: { username: string; password: string };
  /** It takes no plain text. Whoever only looks after the server does not ask for its certificate. */
  tlsOnly?: true;
};

export type Settings = {
  /** The server's own, as `log_statement: 'all'`. */
  settings?: Readonly<Record<string, string>>;
  /** Of the server's process, as `LANGUAGE: 'de'` for messages in German. */
  environment?: Readonly<Record<string, string>>;
  /** Lets clients use TLS (and plain text as before, where the engine is not `tlsOnly`). PEM. */
  tls?: { certificate: string; key: string };
};

/** Where the server's own log can be read from any process of this machine; for some there is none. */
export type LogPlace = { file: string } | { container: string } | { unreadable: string };

export type Started = {
  /** As users should read it: `Docker image postgres:18.1`. */
  source: string;
  address: Address;
  logPlace: LogPlace;
  isRunning(): Promise<boolean>;
  /** Stops the server and starts it at the same address, without waiting until it answers. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

/** `remedy` completes the sentence "to have this server, …"; absent where nothing can be done. */
export type Unavailable = { remedy?: string };
