import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { HttpService } from './http-service.ts';
import { ServiceError } from './secrets-manager/errors.ts';

/** As https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBInstance.html names it. */
export type Instance = {
  DBInstanceIdentifier: string;
  DBInstanceArn: string;
  /** Absent while the instance is in creation. */
  Endpoint?: { Address: string; Port: number };
  DBClusterIdentifier?: string;
  ReadReplicaSourceDBInstanceIdentifier?: string;
};

/** As https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBCluster.html names it. */
export type Cluster = {
  DBClusterIdentifier: string;
  DBClusterArn: string;
  Endpoint: string;
  ReaderEndpoint: string;
  CustomEndpoints?: string[];
  Port: number;
  DBClusterMembers: { DBInstanceIdentifier: string; IsClusterWriter: boolean }[];
};

/** One HTTP request: the operation and the identifier asked for. */
export type RdsCall = { operation: string; id: string };

export type RdsHook = (call: RdsCall) => ServiceError | 'no answer' | undefined | Promise<undefined>;

export type RdsOptions = { instances?: readonly Instance[]; clusters?: readonly Cluster[] };

export interface RdsFake extends AsyncDisposable {
  /** For AWS_ENDPOINT_URL_RDS, https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html. */
  readonly endpoint: string;
  /** May be replaced at any time, as may the two below. */
  instances: readonly Instance[];
  clusters: readonly Cluster[];
  /** What to answer instead; a promise that never resolves keeps the caller waiting. */
  hook: RdsHook;
  readonly calls: RdsCall[];
}

/**
 * A fake: it answers DescribeDBInstances and DescribeDBClusters for one identifier, in the recorded shape of the real service, from what
 * it is given. It is not an emulation: nothing is created, derived or checked. Listens on 127.0.0.1 for the AWS Query protocol.
 */
export async function startRds(options: RdsOptions = {}): Promise<RdsFake> {
  const fake = new Fake(options);
  await fake.listen();
  return fake;
}

class Fake extends HttpService implements RdsFake {
  instances: readonly Instance[];
  clusters: readonly Cluster[];
  hook: RdsHook = () => undefined;
  readonly calls: RdsCall[] = [];

  constructor({ instances = [], clusters = [] }: RdsOptions) {
    super();
    this.instances = instances;
    this.clusters = clusters;
  }

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A mistake in a hook is shown to the client.
    const answer = this.#answer(request).catch((error) => new ServiceError('InternalFailure', `${error}`, 500));
    send(response, await answer);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const asked = new URLSearchParams(await text(request));
    const operation = asked.get('Action') ?? '';
    const id = asked.get('DBInstanceIdentifier') ?? asked.get('DBClusterIdentifier') ?? '';
    this.calls.push({ operation, id });
    return (await this.hook({ operation, id })) ?? described(operation, id, this);
  }
}

type Answer = string | ServiceError | 'no answer';

/** Identifiers are not case-sensitive (API_DescribeDBInstances, API_DescribeDBClusters). */
function described(operation: string, id: string, { instances, clusters }: Required<RdsOptions>): Answer {
  const isAsked = (other: string) => other === id.toLowerCase();
  if (operation === 'DescribeDBInstances') {
    const instance = instances.find(({ DBInstanceIdentifier }) => isAsked(DBInstanceIdentifier));
    if (instance === undefined) return new ServiceError('DBInstanceNotFound', `DBInstance ${id} not found.`, 404);
    return result(operation, { DBInstances: { DBInstance: instance } });
  }
  if (operation === 'DescribeDBClusters') {
    const cluster = clusters.find(({ DBClusterIdentifier }) => isAsked(DBClusterIdentifier));
    if (cluster === undefined) return new ServiceError('DBClusterNotFoundFault', `DBCluster ${id} not found.`, 404);
    return result(operation, { DBClusters: { DBCluster: inLists(cluster) } });
  }
  return new ServiceError('InvalidAction', `Could not find operation ${operation}.`);
}

/** XML names the members of a list: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusters.html, Examples. */
function inLists({ CustomEndpoints = [], DBClusterMembers, ...cluster }: Cluster): object {
  return {
    ...cluster,
    CustomEndpoints: { member: CustomEndpoints },
    DBClusterMembers: { DBClusterMember: DBClusterMembers },
  };
}

function result(operation: string, answer: object): string {
  return document(`${operation}Response`, {
    [`${operation}Result`]: answer,
    ResponseMetadata: { RequestId: randomUUID() },
  });
}

function send(response: ServerResponse, answer: Answer): void {
  if (answer === 'no answer') {
    response.destroy();
    return;
  }
  const failed = answer instanceof ServiceError;
  response.writeHead(failed ? answer.status : 200, { 'content-type': 'text/xml' });
  response.end(failed ? failure(answer) : answer);
}

function failure({ name, message, status }: ServiceError): string {
  const Type = status < 500 ? 'Sender' : 'Receiver';
  return document('ErrorResponse', { Error: { Type, Code: name, Message: message }, RequestId: randomUUID() });
}

function document(root: string, content: object): string {
  return `<${root} xmlns="http://rds.amazonaws.com/doc/2014-10-31/">${xml(content)}</${root}>`;
}

/** A list is its members' element, repeated. */
function xml(value: unknown): string {
  if (typeof value !== 'object' || value === null)
    return String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return Object.entries(value)
    .flatMap(([name, content]) => [content].flat().map((one) => `<${name}>${xml(one)}</${name}>`))
    .join('');
}
