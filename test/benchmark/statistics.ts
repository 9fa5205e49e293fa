/** What many figures come to. */
export type Summary = {
  median: number /** Half of the figures lie between these two. */;
  from: number;
  to: number;
  minimum: number;
};

export function summary(figures: readonly number[]): Summary | undefined {
  if (figures.length === 0) return undefined;
  const sorted = figures.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    from: quantile(sorted, 0.25),
    to: quantile(sorted, 0.75),
    minimum: quantile(sorted, 0),
  };
}

/** Between two figures, in proportion. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return below + (above - below) * (at - Math.floor(at));
}
