/** What Terraform's AWS provider takes, of the resources that are of use here. */

/** The names of arguments; nested blocks have arguments of their own. */
export type Arguments = { names: readonly string[]; blocks?: Readonly<Record<string, readonly string[]>> };

/**
 * The page of `aws_x` is https://github.com/hashicorp/terraform-provider-aws/blob/v6.71.0/website/docs/r/x.html.markdown; `tags_all` and the like,
 * which it exports, are no arguments.
 */
export const RESOURCES: Readonly<Record<string, Arguments>> = {
  aws_secretsmanager_secret: {
    names: [
      ...['region', 'name', 'name_prefix', 'description', 'kms_key_id', 'policy', 'recovery_window_in_days'],
      ...['force_overwrite_replica_secret', 'type', 'tags'],
    ],
    blocks: { replica: ['kms_key_id', 'region'] },
  },
  aws_secretsmanager_secret_version: {
    names: [
      ...['region', 'secret_id', 'secret_string', 'secret_string_wo', 'secret_string_wo_version', 'secret_binary'],
      ...['version_stages'],
    ],
  },
  aws_secretsmanager_secret_rotation: {
    names: [
      ...['region', 'secret_id', 'rotate_immediately', 'rotation_lambda_arn', 'external_secret_rotation_role_arn'],
    ],
    blocks: {
      rotation_rules: ['automatically_after_days', 'duration', 'schedule_expression'],
      external_secret_rotation_metadata: ['key', 'value'],
    },
  },
  aws_serverlessapplicationrepository_cloudformation_stack: {
    names: [...['region', 'name', 'application_id', 'capabilities', 'parameters', 'semantic_version', 'tags']],
  },
  aws_cloudformation_stack: {
    names: [
      ...['region', 'name', 'template_body', 'template_url', 'capabilities', 'disable_rollback', 'notification_arns'],
      ...['on_failure', 'parameters', 'policy_body', 'policy_url', 'tags', 'iam_role_arn', 'timeout_in_minutes'],
    ],
    blocks: { timeouts: ['create', 'update', 'delete'] },
  },
};

/** Of every resource: https://developer.hashicorp.com/terraform/language/meta-arguments */
export const META_ARGUMENTS: Arguments = {
  names: ['count', 'for_each', 'depends_on', 'provider'],
  blocks: {
    lifecycle: [
      ...['create_before_destroy', 'prevent_destroy', 'ignore_changes', 'replace_triggered_by', 'precondition'],
      ...['postcondition'],
    ],
  },
};
