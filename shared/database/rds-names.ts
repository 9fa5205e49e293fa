/** What the names and ARNs that RDS gives tell, without asking RDS. */

import { normalHost } from './secret-endpoint.ts';

/**
 * A host name of the form that RDS gives. `id` is its first label: the identifier of the instance, of
 * the cluster, or of the custom endpoint. Anybody can make up such names, so an answer of RDS about
 * `id` counts only if it shows this very `host`.
 */
export type EndpointName = { host: string; id: string; of: 'instance' | 'cluster' | 'custom endpoint'; region: string };

/**
 * The form of the names is `<id>.<…>.<Region>.rds.amazonaws.com`. Before the Region stands
 * - `abc123` for an instance,
 * - `cluster-abc123` for a cluster's writer, `cluster-ro-abc123` for its readers,
 *   https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Overview.Endpoints.html
 * - `cluster-custom-abc123` for a custom endpoint, whose `<id>` is not the cluster's,
 *   https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Endpoints.Custom.Considerations.html
 *
 * In China the Region may follow `rds`.
 */
const ENDPOINT =
  /^([a-z][a-z0-9-]{0,62})\.(cluster-(?:ro-|custom-)?)?[a-z0-9]+\.(?:([a-z0-9-]+)\.rds|rds\.([a-z0-9-]+))\.amazonaws\.com(?:\.cn)?$/;

/** Undefined if RDS gives no names of this form. */
export function endpointName(address: string): EndpointName | undefined {
  const host = normalHost(address);
  const [, id, prefix, before, after] = ENDPOINT.exec(host) ?? [];
  const region = before ?? after;
  if (id === undefined || region === undefined) return undefined;
  const of = prefix === undefined ? 'instance' : prefix === 'cluster-custom-' ? 'custom endpoint' : 'cluster';
  return { host, id, of, region };
}

/**
 * The form of a cluster's ARN is `arn:aws:rds:<Region>:<account>:cluster:<id>`. An instance's has `db`
 * in place of `cluster`, https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.ARN.html
 */
export function isClusterArn(arn: string): boolean {
  return /^[^:]+:[^:]+:rds:[^:]*:[^:]*:cluster:/.test(arn);
}

/** The part of DescribeDBInstances' answer that tells of what an instance is a read replica. */
type Replica = {
  DBInstanceArn?: string | undefined;
  ReadReplicaSourceDBInstanceIdentifier?: string | undefined;
};

export function idIn(arn: string): string {
  return arn.slice(arn.lastIndexOf(':') + 1);
}

/**
 * The ARN of the instance of which this one is a read replica. RDS shows only an identifier if that
 * instance is in the same Region, and an ARN if it is in another
 * (https://github.com/getmoto/moto/issues/5423; the API reference says "identifier" only).
 */
export function arnOfSource({
  DBInstanceArn,
  ReadReplicaSourceDBInstanceIdentifier: source,
}: Replica): string | undefined {
  return source?.startsWith('arn:') || source === undefined ? source : DBInstanceArn?.replace(/[^:]+$/, source);
}

/**
 * The ARN that an instance in another Region must have if `replica` is a read replica of it. It cannot
 * be looked up from here, but a replica and its source are in the same account.
 *
 * Not proven is that the name belongs to that instance, and not to one of the same identifier in
 * another account. The name comes from the admin secret, which whoever edits the rotated secret may
 * not edit.
 */
export function arnInOtherRegion({ of, id, region }: EndpointName, replica: Replica | undefined): string | undefined {
  const [arn, partition, rds, , account, type] = replica?.DBInstanceArn?.split(':') ?? [];
  return of === 'instance' ? [arn, partition, rds, region, account, type, id].join(':') : undefined;
}
