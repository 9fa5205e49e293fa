/** A statement for a person to run in mongosh. */
export function shell(database: string, method: string, ...values: unknown[]): string {
  return `db.getSiblingDB(${JSON.stringify(database)}).${method}(${values.map((value) => JSON.stringify(value)).join(', ')})`;
}
