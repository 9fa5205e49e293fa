/** An error as the service answers it: the name goes into `__type`, and the SDK makes it the `name` of what it throws. */
export class ServiceError extends Error {
  readonly status: number;

  /** @param status The service answers 400 for every fault of the caller, 500 for its own. */
  constructor(name: string, message: string, status = 400) {
    super(message);
    this.name = name;
    this.status = status;
  }
}

export const invalidParameter = (message: string) => new ServiceError('InvalidParameterException', message);
export const invalidRequest = (message: string) => new ServiceError('InvalidRequestException', message);
export const notFound = (message: string) => new ServiceError('ResourceNotFoundException', message);
export const exists = (message: string) => new ServiceError('ResourceExistsException', message);
export const invalid = (message: string) => new ServiceError('ValidationException', message);
