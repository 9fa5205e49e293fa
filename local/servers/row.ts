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
};

/** Whether a server that says this of itself belongs to the row: of version `9.7.4` to the row of 9.7, `9.70.1` not. */
export function isOfRow({ standIn, ...wanted }: Row, found: { product: string; version: string }): boolean {
  return [wanted, ...(standIn ? [standIn] : [])].some(
    ({ product, version }) => product === found.product && `${found.version}.`.startsWith(`${version}.`),
  );
}
