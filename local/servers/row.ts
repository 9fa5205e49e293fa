/** A server that the tests, the demo and the crash matrix run on, before there is one: one row for each engine and version. */
export type Row = {
  /** What a secret for it says under `engine`. */
  engineKey: string;
  /** The name users know, also of the package to install. */
  product: string;
  /** As much of the version as a server of this row has to agree with. */
  version: string;
  /** What is taken for such a server where there is none: it speaks the same protocol, and can less. */
  standIn?: { product: string; version: string };
  /** Names a server that is already there: `postgres://superuser:password@host:port/database`. */
  addressVariable: string;
  /** Replaces the official image. */
  imageVariable: string;
  image: string;
  /** Names a version that npm has, as `14.23.0-beta.17`, in place of every other source. */
  npmVariable?: string;
};

/** Whether the environment names the server itself: then any version of the product will do. */
export function isNamed({ addressVariable, imageVariable, npmVariable = '' }: Row): boolean {
  return [addressVariable, imageVariable, npmVariable].some((variable) => process.env[variable]);
}

/** Whether a server that says this of itself is one of the row's product, or of what stands in for it. */
export function isOfProduct({ product, standIn }: Row, found: { product: string }): boolean {
  return [product, standIn?.product].includes(found.product);
}

/** Whether a server that says this of itself belongs to the row: of version `9.7.4` to the row of 9.7, `9.70.1` not. */
export function isOfRow({ standIn, ...wanted }: Row, found: { product: string; version: string }): boolean {
  return [wanted, ...(standIn ? [standIn] : [])].some(
    ({ product, version }) => product === found.product && `${found.version}.`.startsWith(`${version}.`),
  );
}
