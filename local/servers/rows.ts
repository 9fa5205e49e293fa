/** The servers that tests, the demo and the crash matrix run on: one row for each engine and version. */
export const engineNames = ['postgres', 'mysql', 'mongodb'] as const;
export type EngineName = (typeof engineNames)[number];

export type Row = {
  /** Whose function rotates on it: a folder of functions/. */
  engine: EngineName;
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

export const rows = {
  'postgres 18': {
    engine: 'postgres',
    engineKey: 'postgres',
    product: 'PostgreSQL',
    version: '18',
    addressVariable: 'POSTGRES_URL',
    imageVariable: 'POSTGRES_IMAGE',
    image: 'postgres:18.1',
  },
  'postgres 15': {
    engine: 'postgres',
    engineKey: 'postgres',
    product: 'PostgreSQL',
    version: '15',
    addressVariable: 'POSTGRES_OLD_URL',
    imageVariable: 'POSTGRES_OLD_IMAGE',
    image: 'postgres:15.15',
  },
  'mysql 9.7': {
    engine: 'mysql',
    engineKey: 'mysql',
    product: 'MySQL',
    version: '9.7',
    addressVariable: 'MYSQL_URL',
    imageVariable: 'MYSQL_IMAGE',
    image: 'mysql:9.7.0',
  },
  'mariadb 11.8': {
    engine: 'mysql',
    engineKey: 'mariadb',
    product: 'MariaDB',
    version: '11.8',
    addressVariable: 'MARIADB_URL',
    imageVariable: 'MARIADB_IMAGE',
    image: 'mariadb:11.8.3',
  },
  'mariadb 10.11': {
    engine: 'mysql',
    engineKey: 'mariadb',
    product: 'MariaDB',
    version: '10.11',
    addressVariable: 'MARIADB_OLD_URL',
    imageVariable: 'MARIADB_OLD_IMAGE',
    image: 'mariadb:10.11.14',
  },
  'mongodb 8.0': {
    engine: 'mongodb',
    engineKey: 'mongo',
    product: 'MongoDB',
    version: '8',
    standIn: { product: 'FerretDB', version: '2' },
    addressVariable: 'MONGODB_URL',
    imageVariable: 'MONGODB_IMAGE',
    image: 'mongo:8.0',
  },
} as const satisfies Record<string, Row>;

export type RowName = keyof typeof rows;
export type RowNameOf<E extends EngineName> = {
  [R in RowName]: (typeof rows)[R]['engine'] extends E ? R : never;
}[RowName];

export const rowNames = Object.keys(rows) as RowName[];

/** The newest first. */
export function rowsOf<E extends EngineName>(engine: E): RowNameOf<E>[] {
  return rowNames.filter((row): row is RowNameOf<E> => rows[row].engine === engine);
}

/** Whether a server that says this of itself belongs to the row: of version `9.7.4` to the row of 9.7, `9.70.1` not. */
export function isOfRow({ standIn, ...wanted }: Row, found: { product: string; version: string }): boolean {
  return [wanted, ...(standIn ? [standIn] : [])].some(
    ({ product, version }) => product === found.product && `${found.version}.`.startsWith(`${version}.`),
  );
}
