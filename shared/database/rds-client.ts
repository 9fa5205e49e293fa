/** The part of the RDS client that is used. It is loaded when RDS is asked: most rotations never do. */

export { DescribeDBClustersCommand, DescribeDBInstancesCommand, RDSClient } from '@aws-sdk/client-rds';
