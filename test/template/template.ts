/** template.yaml as tests read it: short forms of CloudFormation's functions are long ones, and nothing is evaluated. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CollectionTag, parse, type ScalarTag, type Tags, type YAMLSeq } from 'yaml';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export type Parameter = {
  Type: string;
  Description?: string;
  Default?: string | number;
  AllowedValues?: (string | number)[];
  AllowedPattern?: string;
  MinValue?: number;
  MaxValue?: number;
  MaxLength?: number;
};
export type Rule = { RuleCondition?: unknown; Assertions: { AssertDescription: string; Assert: unknown }[] };
export type Resource = {
  Type: string;
  Condition?: string;
  Metadata?: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: each type of resource has properties of its own
  Properties: Record<string, any>;
};
export type Statement = {
  Sid: string;
  Effect: string;
  Action: string | string[];
  Resource: unknown;
  Condition?: Record<string, Record<string, unknown>>;
};

type Template = {
  // biome-ignore lint/suspicious/noExplicitAny: only tests that know what is there look into it
  Metadata: Record<string, any>;
  Parameters: Record<string, Parameter>;
  Rules: Record<string, Rule>;
  Conditions: Record<string, unknown>;
  Globals: { Function: Resource['Properties'] };
  Resources: Record<string, Resource>;
  Outputs: Record<string, { Description: string; Value: unknown }>;
};

const FUNCTIONS = ['Equals', 'GetAtt', 'If', 'Join', 'Not', 'Ref', 'Sub'];

/** `!Ref name` is a scalar, `!If [condition, value, value]` a sequence. */
const customTags: Tags = FUNCTIONS.flatMap((name) => {
  const key = name === 'Ref' ? name : `Fn::${name}`;
  const scalar: ScalarTag = { tag: `!${name}`, resolve: (value) => ({ [key]: value }) };
  const sequence: CollectionTag = {
    tag: `!${name}`,
    collection: 'seq',
    resolve: (node) => ({ [key]: (node as YAMLSeq).toJSON() }),
  };
  return [scalar, sequence];
});

export const text = readFileSync(join(root, 'template.yaml'), 'utf8');
export const template: Template = parse(text, { customTags, logLevel: 'error', strict: true });

/** The resources of a type, by their logical ids. */
export function resourcesOf(type: string): Record<string, Resource> {
  return Object.fromEntries(Object.entries(template.Resources).filter(([, { Type }]) => Type === type));
}

/** The statements of the role, those for which a condition has to hold among them, each with that condition. */
export const statements: readonly (Statement & { onlyIf?: string })[] = rolePolicy().map((item) => {
  if (!('Fn::If' in item)) return item;
  const [onlyIf, statement] = item['Fn::If'];
  return { ...statement, onlyIf };
});

function rolePolicy(): (Statement | { 'Fn::If': [string, Statement, unknown] })[] {
  return template.Resources['Role']?.Properties['Policies'][0].PolicyDocument.Statement;
}

export function statement(sid: string): Statement & { onlyIf?: string } {
  const found = statements.find(({ Sid }) => Sid === sid);
  if (found === undefined) throw new Error(`The role has no statement ${sid}`);
  return found;
}

/** Of the function of any engine: made of its name, as the role has to name it before it is there. */
export const FUNCTION_ARN = {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation's
  'Fn::Sub': 'arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${functionName}',
};

/** What an engine's folder is called in the names of resources: postgres, Postgres. */
export function capitalised(engine: string): string {
  return engine.slice(0, 1).toUpperCase() + engine.slice(1);
}

/** The function's environment, all parameters left at their defaults. */
export function defaultEnvironment(): Record<string, string> {
  const variables: Record<string, { Ref: string }> = template.Globals.Function['Environment'].Variables;
  return Object.fromEntries(
    Object.entries(variables).map(([name, { Ref }]) => [name, String(template.Parameters[Ref]?.Default)]),
  );
}
