/** `TLS` is verified in full, by an authority that the secret names in `sslca`; `clear text` is what `"ssl": false` says. */
export const WIRES = ['TLS', 'clear text'] as const;
export type Wire = (typeof WIRES)[number];
