import type { IncomingMessage, ServerResponse } from 'node:http';
import { HttpService } from './http-service.ts';
import { ServiceError } from './secrets-manager/errors.ts';

/** As https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html names it, of which it is a part. */
export type FunctionConfiguration = {
  FunctionName: string;
  FunctionArn: string;
  LoggingConfig?: { LogFormat: 'Text' | 'JSON'; LogGroup: string };
};

export interface LambdaFunctionsFake extends AsyncDisposable {
  /** For AWS_ENDPOINT_URL_LAMBDA, https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html. */
  readonly endpoint: string;
  /** An error to answer with instead; may be replaced at any time. */
  hook: () => ServiceError | undefined;
}

/**
 * A fake: it answers GetFunctionConfiguration for a function's ARN, in the recorded shape of the real service, with what it is given.
 * It is not an emulation, and runs no function: local/lambda.ts does. Listens on 127.0.0.1.
 */
export async function startLambdaFunctions(functions: readonly FunctionConfiguration[]): Promise<LambdaFunctionsFake> {
  const fake = new Fake(functions);
  await fake.listen();
  return fake;
}

class Fake extends HttpService implements LambdaFunctionsFake {
  hook: LambdaFunctionsFake['hook'] = () => undefined;
  readonly #functions: readonly FunctionConfiguration[];

  constructor(functions: readonly FunctionConfiguration[]) {
    super();
    this.#functions = functions;
  }

  protected serve({ method = '', url = '' }: IncomingMessage, response: ServerResponse): void {
    const answer = this.hook() ?? this.#described(method, url);
    const failed = answer instanceof ServiceError;
    response.writeHead(failed ? answer.status : 200, {
      'content-type': 'application/json',
      ...(failed && { 'x-amzn-errortype': answer.name }),
    });
    response.end(JSON.stringify(failed ? { Type: 'User', Message: answer.message } : answer));
  }

  #described(method: string, url: string): FunctionConfiguration | ServiceError {
    const [, name] = /^\/2015-03-31\/functions\/([^/]+)\/configuration$/.exec(url) ?? [];
    if (method !== 'GET' || name === undefined)
      return new ServiceError('UnknownOperationException', `${method} ${url}`, 404);
    const arn = decodeURIComponent(name);
    const found = this.#functions.find(({ FunctionArn }) => FunctionArn === arn);
    return found ?? new ServiceError('ResourceNotFoundException', `Function not found: ${arn}`, 404);
  }
}
