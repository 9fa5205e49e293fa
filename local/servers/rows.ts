/** The servers that tests, the demo and the crash matrix run on: one row for each engine and version. */
export type Row = {
  /** The name users know, also of the package to install. */
  product: string;
  major: number;
  /** Names a server that is already there: `postgres://superuser:password@host:port/database`. */
  addressVariable: string;
  /** Replaces the official image. */
  imageVariable: string;
  image: string;
  /** Whether npm brings this version. */
  embedded: boolean;
};

export const rows = {
  'postgres 18': {
    product: 'PostgreSQL',
    major: 18,
    addressVariable: 'POSTGRES_URL',
    imageVariable: 'POSTGRES_IMAGE',
    image: 'postgres:18.1',
    embedded: true,
  },
  'postgres 15': {
    product: 'PostgreSQL',
    major: 15,
    addressVariable: 'POSTGRES_OLD_URL',
    imageVariable: 'POSTGRES_OLD_IMAGE',
    image: 'postgres:15.15',
    embedded: false,
  },
} as const satisfies Record<string, Row>;

export type RowName = keyof typeof rows;
export const rowNames = Object.keys(rows) as RowName[];
