/**
 * The part of Lambda's Node.js runtime that a function can notice, run by local/lambda.ts in a process of its own.
 * It knows nothing but Node: the bundle must bring everything else.
 * What it does on an error is what aws/aws-lambda-nodejs-runtime-interface-client does (src/Errors.js, src/index.mjs).
 */
import { realpathSync } from 'node:fs';
import { flushCompileCache, registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What the host sends, one at a time. */
export type Request = Invocation | Variables;
type Invocation = {
  event: unknown;
  context: { awsRequestId: string; invokedFunctionArn: string };
  /** When the invocation times out, in milliseconds since 1970. */
  deadline: number;
};
/** Instead of those that the process has: from now on it runs another function of the same bundle. */
type Variables = { variables: Record<string, string> };

/** What the host hears: first that the function is loaded, then one answer to each request. */
export type Reply = { is: 'ready' } | { is: 'success' } | { is: 'error'; error: FunctionError };
export type FunctionError = { errorType: string; errorMessage: string };

type Handler = (event: unknown, context: object) => unknown;

const env = process.env;
const taskRoot = pathToFileURL(join(realpathSync(env['LAMBDA_TASK_ROOT'] ?? '.'), '/')).href;

/** On Lambda there is nothing else to load; here a node_modules may lie in any directory above. */
function loadOnlyOwnFiles(): void {
  registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      if (found.url.startsWith('node:') || found.url.startsWith(taskRoot)) return found;
      throw Object.assign(new Error(`Cannot find '${specifier}'`), { code: 'ERR_MODULE_NOT_FOUND' });
    },
  });
}

function contextOf(request: Invocation): object {
  return {
    ...request.context,
    callbackWaitsForEmptyEventLoop: true,
    functionName: env['AWS_LAMBDA_FUNCTION_NAME'],
    functionVersion: env['AWS_LAMBDA_FUNCTION_VERSION'],
    memoryLimitInMB: env['AWS_LAMBDA_FUNCTION_MEMORY_SIZE'],
    logGroupName: env['AWS_LAMBDA_LOG_GROUP_NAME'],
    logStreamName: env['AWS_LAMBDA_LOG_STREAM_NAME'],
    getRemainingTimeInMillis: () => request.deadline - Date.now(),
  };
}

/** Whatever an error carries on enumerable properties goes to the log, at any depth: this is how secrets leak in practice. */
function printError(thrown: unknown): void {
  const withHiddenProperties = (_key: string, value: unknown): unknown =>
    value instanceof Error
      ? { errorType: value.name, errorMessage: value.message, ...value, stack: value.stack?.split('\n') }
      : value;
  let line: string;
  try {
    line = JSON.stringify(thrown, withHiddenProperties);
  } catch {
    line = JSON.stringify(summary(thrown)); // circular, or a BigInt
  }
  console.error(line);
}

function summary(thrown: unknown): FunctionError {
  return thrown instanceof Error
    ? { errorType: thrown.name, errorMessage: thrown.message }
    : { errorType: typeof thrown, errorMessage: String(thrown) };
}

async function reply(message: Reply): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map(written)); // so that the host finds it all there
  process.send?.(message);
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

async function load(): Promise<Handler> {
  const [file, name] = (env['_HANDLER'] ?? '').split('.');
  const bundle: Record<string, unknown> = await import(`${taskRoot}${file}.mjs`);
  const handler = bundle[name ?? ''];
  if (typeof handler !== 'function') throw new Error(`The bundle exports no function "${name}"`);
  return handler as Handler;
}

async function answer(handler: Handler, request: Invocation): Promise<void> {
  try {
    await handler(request.event, contextOf(request));
    await reply({ is: 'success' });
  } catch (thrown) {
    printError(thrown);
    await reply({ is: 'error', error: summary(thrown) });
  }
}

async function become({ variables }: Variables): Promise<void> {
  for (const name of Object.keys(env)) delete env[name];
  Object.assign(env, variables);
  await reply({ is: 'ready' });
}

process.on('disconnect', () => process.exit()); // the host is gone
process.on('uncaughtException', (error) => {
  printError(error);
  process.exit(129);
});
process.on('unhandledRejection', (reason) => {
  printError(Object.assign(new Error(String(reason)), { name: 'Runtime.UnhandledPromiseRejection', reason }));
  process.exit(128);
});

delete env['NODE_COMPILE_CACHE']; // the host's, not Lambda's
loadOnlyOwnFiles();
const handler = await load();
flushCompileCache(); // a process that is killed would not write it
process.on('message', (request: Request) => ('event' in request ? answer(handler, request) : become(request)));
await reply({ is: 'ready' });
