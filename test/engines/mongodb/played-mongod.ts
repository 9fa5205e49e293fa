/**
 * Played by servers.test.ts: a mongod as it is before anybody has initiated its replica set or made its superuser. Says what it was
 * started with, and what it was asked.
 */
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { parseArgs } from 'node:util';
import { error, isHello, lettingIn, PRIMARY } from './fake.ts';

if (process.argv.includes('--version')) console.log('db version v8.0.4\nBuild Info: {}');
else {
  const names = [
    'dbpath',
    'port',
    'bind_ip',
    'replSet',
    'keyFile',
    'slowms',
    'tlsMode',
    'tlsCertificateKeyFile',
    'tlsCAFile',
  ];
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  const { values } = parseArgs({ options, strict: false });
  if (values['tlsMode'] && !values['tlsCAFile'])
    throw new Error('The use of TLS without specifying a chain of trust is no longer supported.');
  const say = (what: unknown) => console.log(JSON.stringify(what));
  say(values);
  let isInitiated = false;
  let superuser = { username: '', password: '' };
  const serve = (socket: Socket) => {
    lettingIn(superuser, (command) => {
      if ('replSetInitiate' in command) isInitiated = true;
      if ('createUser' in command) superuser = { username: command['createUser'], password: command['pwd'] };
      if ('buildInfo' in command) return { version: '8.0.4', ok: 1 };
      if ('saslStart' in command && superuser.username === '') return error(18, 'AuthenticationFailed', 'no such user');
      if (!isHello(command)) say(Object.keys(command)[0]);
      else if (!isInitiated) return { ...PRIMARY, isreplicaset: true, isWritablePrimary: false, ismaster: false };
      return undefined;
    })(socket.on('error', () => {}));
  };
  const read = (name: string) => readFileSync(String(values[name]), 'utf8');
  const overTls = () => {
    const own = read('tlsCertificateKeyFile');
    const rejectUnauthorized = !values['tlsAllowConnectionsWithoutCertificates'];
    return createTlsServer(
      { cert: own, key: own, ca: read('tlsCAFile'), requestCert: true, rejectUnauthorized },
      serve,
    );
  };
  (values['tlsMode'] ? overTls() : createServer(serve)).listen(Number(values['port']), '127.0.0.1');
}
