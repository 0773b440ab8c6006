/** # Measure: what a row of the bench is, and how its times are taken. */

/** One ratio (or figure) with what it was made of. */
export interface Row {
  /** As in PERFORMANCE: G1, C2, ... */
  readonly id: string;
  readonly name: string;
  readonly value: number;
  readonly unit: 'x' | 's' | 'ms' | 'MB' | '/s' | 'blocks';
  /** Undefined where the peer is missing that the row compares with. */
  readonly must: number | undefined;
  /** Whether the value has to reach `must` or to stay below it. */
  readonly better: 'more' | 'less';
  /** What the value was made of. */
  readonly terms: Readonly<Record<string, number | string>>;
}

export interface BenchOptions {
  /** Fewer rounds and smaller sizes: to see that a row works, not to quote it. */
  readonly quick: boolean;
}

export function isMet({ value, must, better }: Row): boolean | undefined {
  if (must === undefined) return undefined;
  return better === 'more' ? value >= must : value <= must;
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

export function rounded(value: number, digits = 3): number {
  return Number(value.toFixed(digits));
}

/** Milliseconds of CPU of the whole process, helper threads included: other processes' load does not count. */
export async function cpuMs(run: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** Median CPU milliseconds of each run over interleaved rounds, the first of which only warms up. */
export async function interleaved<R extends Readonly<Record<string, () => unknown>>>(
  runs: R,
  rounds: number,
): Promise<Record<keyof R, number>> {
  const times = Object.keys(runs).map((name): [string, number[]] => [name, []]);
  for (let round = 0; round <= rounds; round++) {
    for (const [name, list] of times) {
      const ms = await cpuMs(runs[name] as () => unknown);
      if (round > 0) list.push(ms);
    }
  }
  return Object.fromEntries(times.map(([name, list]) => [name, median(list)])) as Record<keyof R, number>;
}
