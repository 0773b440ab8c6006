/** Inputs for comparing executors: seeded words from distributions that reach every edge of f32. */

/** A small seeded generator of words (xorshift32 with a Weyl sequence), so that a failure names its seed. */
export class Source {
  readonly seed: number;
  #state: number;
  #weyl: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = (seed * 0x9e3779b1) >>> 0 || 1;
    this.#weyl = 0;
  }

  word(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    this.#weyl = (this.#weyl + 362_437) >>> 0;
    return (this.#state + this.#weyl) >>> 0;
  }

  /** Below `limit`. */
  integer(limit: number): number {
    return this.word() % limit;
  }

  indices(count: number, limit: number): Uint32Array {
    return Uint32Array.from({ length: count }, () => this.integer(limit));
  }

  /** In [-1, 1). */
  unit(): number {
    return this.word() / 2 ** 31 - 1;
  }
}

/** n words of f32 values. */
export type Draw = (source: Source, n: number) => Uint32Array;

const EDGES = [
  ...[0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007fffff, 0x807fffff, 0x00800000, 0x80800000],
  ...[0x3f800000, 0xbf800000, 0x3f000000, 0x3f200000, 0x3f1fffff, 0x3f3504f3, 0x40800000, 0xc0800000],
  ...[0x42ae0000, 0x42ae0001, 0xc2ae0000, 0xc2ae0001, 0x4b000000, 0x7f7fffff, 0xff7fffff, 0x7f800000],
  ...[0xff800000, 0x7fc00000, 0x2b8cbccc, 0x2b8cbccb, 0x42c80000, 0xc2c80000, 0x4b800000, 0x3effffff],
];

function fromFloat(value: (source: Source) => number): Draw {
  return (source, n) => new Uint32Array(Float32Array.from({ length: n }, () => value(source)).buffer);
}

/** Values such as a model has, steep ones, subnormals, extremes, ties, edges, any bits, a few NaN among plain ones. */
export const draws: Readonly<Record<string, Draw>> = {
  plain: fromFloat((source) => 3 * source.unit() * source.unit()),
  steep: fromFloat((source) => source.unit() * 2 ** (source.integer(40) - 20)),
  subnormal: (source, n) => Uint32Array.from({ length: n }, () => source.word() & 0x80ffffff),
  extreme: (source, n) => Uint32Array.from({ length: n }, () => (source.word() & 0x80ffffff) | 0x7e000000),
  ties: fromFloat((source) => (source.integer(255) - 127) / 2),
  edges: (source, n) => Uint32Array.from({ length: n }, () => EDGES[source.integer(EDGES.length)] as number),
  bits: (source, n) => Uint32Array.from({ length: n }, () => source.word()),
  spoilt: fromFloat((source) => (source.integer(97) === 0 ? Number.NaN : source.unit() * 8)),
};
