import {
  type DBCluster,
  type DBInstance,
  DescribeDBClustersCommand,
  DescribeDBInstancesCommand,
  RDSClient,
} from '@aws-sdk/client-rds';
import { callService, type Service } from '../core/aws.ts';
import type { Deadline } from '../core/deadline.ts';
import { RdsError } from './errors.ts';

/** What RDS knows of its databases' addresses. */
export interface Databases {
  /**
   * Where the instance or cluster with this ARN takes writes.
   * @throws {RdsError | DeadlineError}
   */
  endpointOf(arn: string): Promise<{ host: string; port: number }>;

  /**
   * Whether `host` leads to the same data as `adminHost` although the names differ: a read replica of the admin's instance, or of
   * such a replica; or both are endpoints (writer, reader, custom, or an instance's own) of one Aurora or Multi-AZ DB cluster.
   * False also means: not proven. RDS is asked in the function's Region and account alone, so that a `host` elsewhere is never proven. Nor
   * are two custom endpoints, as neither names its cluster; a replica of a whole cluster; a global database.
   * @throws {RdsError | DeadlineError} when RDS does not answer
   */
  sameFamily(host: string, adminHost: string): Promise<boolean>;
}

/**
 * A name that RDS gave. It cannot be asked for an address, only for the identifier that is the first label of one, and everybody can
 * make up such names: what RDS then answers must bear the very address.
 */
type EndpointName = { host: string; id: string; of: 'instance' | 'cluster' | 'custom endpoint'; region: string };

/** The same, and the instance or cluster it stands for, as far as the name tells. */
type Place = { name: EndpointName; instance?: DBInstance; clusterId?: string | undefined };

/** Time-outs in milliseconds: short enough for three attempts within the time that a step has for RDS. */
const CLIENT = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 1000, requestTimeout: 1500, throwOnRequestTimeout: true },
};

const ALLOW = 'Allow the function’s role the actions rds:DescribeDBInstances and rds:DescribeDBClusters.';

/**
 * The longer names are those of https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html and
 * …/UserGuide/rds-api-throttling.html, the shorter what is seen on the wire (https://github.com/awslabs/pireporter/issues/8).
 */
const SERVICE: Service = {
  name: 'RDS',
  endpoint: 'rds',
  messageIsSafe: new Set(['AccessDenied', 'AccessDeniedException']),
  mayPass: new Set(['Throttling', 'ThrottlingException']),
  remedies: { AccessDenied: ALLOW, AccessDeniedException: ALLOW },
  Failure: RdsError,
};

const NOT_FOUND = new Set(['DBInstanceNotFoundFault', 'DBClusterNotFoundFault']);

/** RDS makes chains of no more than three, https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_MySQL.Replication.ReadReplicas.Cascading.html. */
const LONGEST_CHAIN = 3;

let client: RDSClient | undefined;

/** Made when first needed, for most rotations never ask. One in a process, so that connections are kept. */
function connect(): RDSClient {
  client ??= new RDSClient(CLIENT);
  return client;
}

/** Asks RDS in the function's own Region. */
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
    if (name.region !== adminName.region) return this.#replicates(place, arnElsewhere(adminName, place));
    const admin = await this.#placeOf(adminName);
    if (admin === undefined) return false;
    const clusterId = admin.clusterId ?? place.clusterId;
    return clusterId === undefined
      ? this.#replicates(place, admin.instance?.DBInstanceArn)
      : this.#clusterHas(clusterId, [place, admin]);
  }

  /** undefined if RDS knows no such instance, or knows it under another address. */
  async #placeOf(name: EndpointName): Promise<Place | undefined> {
    if (name.of === 'cluster') return { name, clusterId: name.id };
    if (name.of === 'custom endpoint') return { name };
    const instance = await this.#instance(name.id);
    if (instance === undefined || normal(instance.Endpoint?.Address) !== name.host) return undefined;
    return { name, instance, clusterId: instance.DBClusterIdentifier };
  }

  async #clusterHas(id: string, places: readonly Place[]): Promise<boolean> {
    const cluster = await this.#cluster(id);
    const endpoints = [cluster?.Endpoint, cluster?.ReaderEndpoint, ...(cluster?.CustomEndpoints ?? [])].map(normal);
    const members = (cluster?.DBClusterMembers ?? []).map(({ DBInstanceIdentifier }) => DBInstanceIdentifier);
    return places.every(({ name, instance }) =>
      instance === undefined ? endpoints.includes(name.host) : members.includes(instance.DBInstanceIdentifier),
    );
  }

  /** Goes from replica to source. A source in another Region ends the way: it is known by its ARN, and cannot be asked from here. */
  async #replicates({ instance: replica }: Place, adminArn: string | undefined): Promise<boolean> {
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

  /** With this identifier and, if given, this ARN. https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBInstances.html */
  async #instance(id: string, arn?: string): Promise<DBInstance | undefined> {
    const instance = await this.#find('DescribeDBInstances', async (abortSignal) => {
      const command = new DescribeDBInstancesCommand({ DBInstanceIdentifier: id });
      const answer = await connect().send(command, { abortSignal });
      return answer.DBInstances?.[0];
    });
    return arn === undefined || instance?.DBInstanceArn === arn ? instance : undefined;
  }

  /** https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusters.html */
  #cluster(id: string): Promise<DBCluster | undefined> {
    return this.#find('DescribeDBClusters', async (abortSignal) => {
      const command = new DescribeDBClustersCommand({ DBClusterIdentifier: id });
      const answer = await connect().send(command, { abortSignal });
      return answer.DBClusters?.[0];
    });
  }

  async #find<T>(
    operation: string,
    send: (abortSignal: AbortSignal) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    try {
      return await callService(SERVICE, this.#deadline, operation, send);
    } catch (error) {
      if (error instanceof RdsError && NOT_FOUND.has(error.code ?? '')) return undefined;
      throw error;
    }
  }
}

/** An address without its variations. */
function normal(host: string | undefined): string | undefined {
  return host?.toLowerCase().replace(/\.$/, '');
}

/**
 * <id>.<…>.<Region>.rds.amazonaws.com, where <…> is cluster-<…> for a cluster's writer, cluster-ro-<…> for its readers, cluster-custom-<…>
 * for an endpoint whose <id> is not the cluster's (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Overview.Endpoints.html,
 * …/Aurora.Endpoints.Custom.Considerations.html). In China the Region may stand after `rds`.
 */
const ENDPOINT =
  /^([a-z][a-z0-9-]{0,62})\.(cluster-(?:ro-|custom-)?)?[a-z0-9]+\.(?:([a-z0-9-]+)\.rds|rds\.([a-z0-9-]+))\.amazonaws\.com(?:\.cn)?$/;

function endpointName(address: string): EndpointName | undefined {
  const host = normal(address) ?? '';
  const [, id, prefix, before, after] = ENDPOINT.exec(host) ?? [];
  const region = before ?? after;
  if (id === undefined || region === undefined) return undefined;
  const of = prefix === undefined ? 'instance' : prefix === 'cluster-custom-' ? 'custom endpoint' : 'cluster';
  return { host, id, of, region };
}

/** The forms are arn:aws:rds:<Region>:<account>:db:<id> and …:cluster:<id>, https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.ARN.html. */
function isClusterArn(arn: string): boolean {
  return /^[^:]+:[^:]+:rds:[^:]*:[^:]*:cluster:/.test(arn);
}

function idIn(arn: string): string {
  return arn.slice(arn.lastIndexOf(':') + 1);
}

/**
 * Of the instance that this one is a read replica of. RDS shows an identifier if it is in the same Region, else an ARN
 * (https://github.com/getmoto/moto/issues/5423; the API reference says only "identifier").
 */
function arnOfSource({ DBInstanceArn, ReadReplicaSourceDBInstanceIdentifier: source }: DBInstance): string | undefined {
  return source?.startsWith('arn:') || source === undefined ? source : DBInstanceArn?.replace(/[^:]+$/, source);
}

/**
 * What the ARN of the admin's instance must be, in a Region where it cannot be looked up: a read replica is in the same account as its
 * source. That the address is that instance's, and not one with the same identifier in another account, remains unproven; it stands in
 * the admin secret, which whoever may edit this secret may not.
 */
function arnElsewhere({ of, id, region }: EndpointName, { instance }: Place): string | undefined {
  const [arn, partition, rds, , account, type] = instance?.DBInstanceArn?.split(':') ?? [];
  return of === 'instance' ? [arn, partition, rds, region, account, type, id].join(':') : undefined;
}

function unknown(kind: 'instance' | 'cluster', arn: string, code: string): RdsError {
  return new RdsError(`RDS knows no ${kind} ${arn} in the function’s Region and account.`, false, { code });
}

function address(arn: string, host: string | undefined, port: number | undefined): { host: string; port: number } {
  if (host === undefined || port === undefined)
    throw new RdsError(`RDS shows no address of ${arn}: it may still be in creation.`, true);
  return { host, port };
}
