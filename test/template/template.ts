/** template.yaml as tests read it: short forms of CloudFormation's functions are long ones. */
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

/** Values of parameters; those that are missing have their defaults. */
export type Given = Readonly<Record<string, string>>;

/**
 * What CloudFormation makes of an expression: of the functions in Conditions, Rules and the environment, as
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html and
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-rules.html define them.
 * @param emptyList what an empty list of commas is: the pages do not say whether it has no member or an empty one
 */
export function evaluate(expression: unknown, given: Given, emptyList: readonly string[] = ['']): unknown {
  if (typeof expression !== 'object' || expression === null || Array.isArray(expression)) return expression;
  const [[name, operand] = ['', undefined]] = Object.entries(expression);
  if (name === 'Ref') return valueOfParameter(operand, given, emptyList);
  const [first, second, third] = (operand as unknown[]).map((each) => evaluate(each, given, emptyList));
  switch (name) {
    case 'Fn::And':
      return (operand as unknown[]).every((each) => evaluate(each, given, emptyList));
    case 'Fn::Contains':
      return (first as string[]).includes(second as string);
    case 'Fn::EachMemberEquals':
      return (first as string[]).every((member) => member === second);
    case 'Fn::Equals':
      return first === second;
    case 'Fn::If':
      return evaluate(template.Conditions[String(first)], given, emptyList) ? second : third;
    case 'Fn::Join':
      return (second as string[]).join(String(first));
    case 'Fn::Not':
      return !first;
    default:
      throw new Error(`${name} is not known here`);
  }
}

function valueOfParameter(name: string, given: Given, emptyList: readonly string[]): string | readonly string[] {
  const { Type, Default } = template.Parameters[name] ?? {};
  const value = given[name] ?? String(Default);
  if (Type !== 'CommaDelimitedList') return value;
  return value === '' ? emptyList : value.split(',');
}

/** The function's environment in a stack with these parameters. */
export function environmentOf(given: Given = {}, emptyList?: readonly string[]): Record<string, string> {
  const variables: Record<string, unknown> = template.Globals.Function['Environment'].Variables;
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, String(evaluate(value, given, emptyList))]),
  );
}

/** Why CloudFormation would not take this value, from the parameter's constraints; a list is checked by its members. */
export function problem(name: string, value: string): string | undefined {
  const { Type, AllowedValues, AllowedPattern, MinValue, MaxValue, MaxLength } = template.Parameters[name] ?? {};
  if (AllowedValues && !AllowedValues.map(String).includes(value)) return 'is not allowed';
  const pattern = AllowedPattern === undefined ? undefined : new RegExp(AllowedPattern);
  const values = Type === 'CommaDelimitedList' ? value.split(',') : [value];
  if (pattern && !values.every((each) => pattern.exec(each)?.[0] === each)) return 'does not match';
  if (MinValue !== undefined && !(Number(value) >= MinValue)) return 'is too small, or no number';
  if (MaxValue !== undefined && !(Number(value) <= MaxValue)) return 'is too large, or no number';
  if (MaxLength !== undefined && value.length > MaxLength) return 'is too long';
  return undefined;
}
