/** A statement for a person, as mongosh takes it. */
export function shell(database: string, method: string, ...values: unknown[]): string {
  return `db.getSiblingDB(${JSON.stringify(database)}).${method}(${values.map((value) => JSON.stringify(value)).join(', ')})`;
}
