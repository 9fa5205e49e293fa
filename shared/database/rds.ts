/** What RDS knows about its databases: where they are, and which hosts lead to the same data. */

import type { DBCluster, DBInstance, RDSClient } from '@aws-sdk/client-rds';
import { callService, type Service } from '../core/aws.ts';
import type { Deadline } from '../core/deadline.ts';
import { RdsError } from './errors.ts';
import { arnInOtherRegion, arnOfSource, type EndpointName, endpointName, idIn, isClusterArn } from './rds-names.ts';
import { normalHost } from './secret-endpoint.ts';

/** What a rotation asks about databases of RDS. */
export interface Databases {
  /**
   * Where the instance or cluster with this ARN takes writes.
   * @throws {RdsError} also if RDS knows no such instance or cluster
   * @throws {DeadlineError}
   */
  endpointOf(arn: string): Promise<{ host: string; port: number }>;

  /**
   * Whether `host`, the rotated secret's, leads to the same data as `adminHost`, the admin secret's,
   * although the names differ. It does
   * - if it is a read replica of the admin's instance, or a replica of such a replica;
   * - if both are endpoints of one Aurora or Multi-AZ DB cluster: writer, reader, custom endpoint, or
   *   an instance of the cluster.
   *
   * False also means: not proven. RDS is asked only in the function's own Region and account, so a
   * `host` of another one is never proven. Not proven either: two custom endpoints (neither names its
   * cluster), a replica of a whole cluster, a global database.
   * @throws {RdsError | DeadlineError} if RDS does not answer
   */
  sameFamily(host: string, adminHost: string): Promise<boolean>;
}

/** A name, and the instance or the cluster that it stands for, as far as that is known. */
type Place = { name: EndpointName; instance?: DBInstance; clusterId?: string | undefined };

/** Time-outs in milliseconds, short enough for three tries in the time that a step has for RDS. */
const CLIENT = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 1000, requestTimeout: 1500, throwOnRequestTimeout: true },
};

const ALLOW = 'Allow the function’s role the actions rds:DescribeDBInstances and rds:DescribeDBClusters.';

/**
 * Errors have two names. The longer ones are documented in
 * https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html and
 * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-api-throttling.html. The shorter ones are
 * what RDS sends, https://github.com/awslabs/pireporter/issues/8
 */
const SERVICE: Service = {
  name: 'RDS',
  endpoint: 'rds',
  endpointSetting: 'AWS_ENDPOINT_URL_RDS',
  messageIsSafe: new Set(['AccessDenied', 'AccessDeniedException']),
  mayPass: new Set(['Throttling', 'ThrottlingException']),
  remedies: { AccessDenied: ALLOW, AccessDeniedException: ALLOW },
  isWhole: (answer) => 'DBInstances' in answer || 'DBClusters' in answer,
  Failure: RdsError,
};

const NOT_FOUND = new Set(['DBInstanceNotFoundFault', 'DBClusterNotFoundFault']);

/**
 * RDS makes chains of no more than three,
 * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_MySQL.Replication.ReadReplicas.Cascading.html.
 */
const LONGEST_CHAIN = 3;

let client: RDSClient | undefined;

/**
 * Loaded and made at the first call: most rotations make none. One client for each process, so that
 * connections are reused.
 */
async function connect() {
  const { DescribeDBClustersCommand, DescribeDBInstancesCommand, RDSClient } = await import('./rds-client.ts');
  client ??= new RDSClient(CLIENT);
  return { client, DescribeDBClustersCommand, DescribeDBInstancesCommand };
}

/** Asks the RDS of the function's own Region and account. */
export class Rds implements Databases {
  readonly #deadline: Deadline;

  constructor(deadline: Deadline) {
    this.#deadline = deadline;
  }

  endpointOf(arn: string): Promise<{ host: string; port: number }> {
    return isClusterArn(arn) ? this.#writerOf(arn) : this.#addressOf(arn);
  }

  async sameFamily(host: string, adminHost: string): Promise<boolean> {
    const name = endpointName(host);
    const adminName = endpointName(adminHost);
    if (name === undefined || adminName === undefined) return false;
    const place = await this.#placeOf(name);
    if (place === undefined) return false;
    if (name.region !== adminName.region) return this.#isReplicaOf(place, arnInOtherRegion(adminName, place.instance));
    const adminPlace = await this.#placeOf(adminName);
    if (adminPlace === undefined) return false;
    const clusterId = adminPlace.clusterId ?? place.clusterId;
    return clusterId === undefined
      ? this.#isReplicaOf(place, adminPlace.instance?.DBInstanceArn)
      : this.#clusterHas(clusterId, [place, adminPlace]);
  }

  /** Undefined if RDS knows no such instance, or knows it under another address. */
  async #placeOf(name: EndpointName): Promise<Place | undefined> {
    if (name.of === 'cluster') return { name, clusterId: name.id };
    if (name.of === 'custom endpoint') return { name };
    const instance = await this.#instance(name.id);
    if (instance === undefined || !isAt(name, instance.Endpoint?.Address)) return undefined;
    return { name, instance, clusterId: instance.DBClusterIdentifier };
  }

  /** Whether each place is an endpoint or an instance of this cluster. */
  async #clusterHas(id: string, places: readonly Place[]): Promise<boolean> {
    const cluster = await this.#cluster(id);
    const endpoints = [cluster?.Endpoint, cluster?.ReaderEndpoint, ...(cluster?.CustomEndpoints ?? [])];
    const members = (cluster?.DBClusterMembers ?? []).map(({ DBInstanceIdentifier }) => DBInstanceIdentifier);
    return places.every(({ name, instance }) =>
      instance === undefined
        ? endpoints.some((address) => isAt(name, address))
        : members.includes(instance.DBInstanceIdentifier),
    );
  }

  /**
   * Goes from replica to source, up to the instance with this ARN. A source in another Region is
   * the last that it can reach: RDS tells the ARN of that source, but not from here what that is a
   * replica of.
   */
  async #isReplicaOf({ instance: replica }: Place, adminArn: string | undefined): Promise<boolean> {
    let instance = replica;
    for (let links = 0; links < LONGEST_CHAIN && instance !== undefined; links++) {
      const source = arnOfSource(instance);
      if (source === undefined || adminArn === undefined) return false;
      if (source === adminArn) return true;
      instance = await this.#instance(idIn(source), source);
    }
    return false;
  }

  async #addressOf(arn: string): Promise<{ host: string; port: number }> {
    const instance = await this.#instance(idIn(arn), arn);
    if (instance === undefined) throw unknown('instance', arn, 'DBInstanceNotFoundFault');
    return address(arn, instance.Endpoint?.Address, instance.Endpoint?.Port);
  }

  async #writerOf(arn: string): Promise<{ host: string; port: number }> {
    const cluster = await this.#cluster(idIn(arn));
    if (cluster?.DBClusterArn !== arn) throw unknown('cluster', arn, 'DBClusterNotFoundFault');
    return address(arn, cluster.Endpoint, cluster.Port);
  }

  /**
   * The instance with this identifier and, if given, this ARN,
   * https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBInstances.html
   */
  async #instance(id: string, arn?: string): Promise<DBInstance | undefined> {
    const { client, DescribeDBInstancesCommand } = await connect();
    const command = new DescribeDBInstancesCommand({ DBInstanceIdentifier: id });
    const answer = await this.#find('DescribeDBInstances', (abortSignal) => client.send(command, { abortSignal }));
    const instance = answer?.DBInstances?.[0];
    return arn === undefined || instance?.DBInstanceArn === arn ? instance : undefined;
  }

  /** https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusters.html */
  async #cluster(id: string): Promise<DBCluster | undefined> {
    const { client, DescribeDBClustersCommand } = await connect();
    const command = new DescribeDBClustersCommand({ DBClusterIdentifier: id });
    const answer = await this.#find('DescribeDBClusters', (abortSignal) => client.send(command, { abortSignal }));
    return answer?.DBClusters?.[0];
  }

  /** Makes the call. Undefined if RDS answers that there is no such instance or cluster. */
  async #find<T extends object>(
    operation: string,
    send: (abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await callService(SERVICE, this.#deadline, operation, send);
    } catch (error) {
      if (error instanceof RdsError && NOT_FOUND.has(error.code ?? '')) return undefined;
      throw error;
    }
  }
}

function isAt({ host }: EndpointName, address: string | undefined): boolean {
  return address !== undefined && normalHost(address) === host;
}

function unknown(kind: 'instance' | 'cluster', arn: string, code: string): RdsError {
  return new RdsError(`RDS knows no ${kind} ${arn} in the function’s Region and account.`, false, { code });
}

function address(arn: string, host: string | undefined, port: number | undefined): { host: string; port: number } {
  if (host === undefined || port === undefined)
    throw new RdsError(`RDS shows no address of ${arn}: it may still be in creation.`, true);
  return { host, port };
}
