/** The independent answers of ../shared/vectors/compute-pow.json, and operands drawn as its head says. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromHex } from '../../../src/base/bytes.ts';
import type { Operand } from '../../../src/compute/pouw/commitment.ts';
import { checkShape, type Shape } from '../../../src/compute/pouw/profile.ts';

const file = join(import.meta.dirname, '..', '..', '..', '..', 'shared', 'vectors', 'compute-pow.json');

export type Draw = 'random' | 'signs' | 'allMin' | 'zero';

export interface VectorTile {
  readonly ti: number;
  readonly tj: number;
  readonly s: number;
  readonly fold: string;
  readonly ticket: string;
}

export interface VectorCase {
  readonly name: string;
  readonly profile: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly draw: Draw;
  readonly preHash: string;
  readonly author: string;
  readonly fragment: string;
  readonly step: number;
  readonly node: number;
  readonly rootA: string;
  readonly rootB: string;
  readonly kappa: string;
  readonly seedA: string;
  readonly seedB: string;
  readonly lineA0: string;
  readonly lineB0: string;
  readonly idxA0: readonly number[];
  readonly idxB0: readonly number[];
  readonly productSha256: string;
  readonly tiles: readonly VectorTile[];
  readonly best: {
    readonly ti: number;
    readonly tj: number;
    readonly s: number;
    readonly wins: readonly { readonly boostPpm: number; readonly largestD: string }[];
    readonly opening: {
      readonly leafA: string;
      readonly pathA: readonly string[];
      readonly leafB: string;
      readonly pathB: readonly string[];
    };
  };
}

export interface VectorFile {
  readonly cases: readonly VectorCase[];
  readonly tie: readonly {
    readonly ticket: string;
    readonly slab: number;
    readonly D: string;
    readonly boostPpm: number;
    readonly wins: boolean;
  }[];
}

/** The vectors, or undefined where the shared folder is absent. */
export const vectors: VectorFile | undefined = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
if (vectors === undefined) console.error('notice: ../shared/vectors/compute-pow.json is absent; its cases are skipped');

/** Options for a test that needs the vectors. */
export const needsVectors = { skip: vectors === undefined ? 'the shared vectors are absent' : false };

/** xorshift32 (13, 17, 5), advance then draw. */
function xorshift(seed: number): () => number {
  let x = seed | 0;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

const DRAWS: Readonly<Record<Draw, (x: number) => number>> = {
  random: (x) => ((x >>> 9) & 127) - 64,
  signs: (x) => ((x & 1) === 1 ? 63 : -64),
  allMin: () => -64,
  zero: () => 0,
};

/** Both operands of a shape from one stream: A, then B transposed. */
export function drawOperands(
  size: { m: number; n: number; k: number },
  draw: Draw,
  seed = 0x9e3779b9,
): { a: Operand; b: Operand } {
  const next = xorshift(seed);
  const data = (length: number) => Int8Array.from({ length }, () => DRAWS[draw](next()));
  const { m, n, k } = size;
  return { a: { data: data(m * k), lines: m, k }, b: { data: data(n * k), lines: n, k } };
}

/** The checked shape of valid dimensions. */
export function shapeOf(profile: number, size: { m: number; n: number; k: number }): Shape {
  const checked = checkShape(profile, size);
  if (!checked.ok) throw new Error(checked.code);
  return checked.shape;
}

/** Everything of a case in the types of the library. */
export function prepare(one: VectorCase) {
  return {
    shape: shapeOf(one.profile, one),
    header: {
      preHash: fromHex(one.preHash),
      author: fromHex(one.author),
      fragment: fromHex(one.fragment),
      step: one.step,
      node: one.node,
    },
    ...drawOperands(one, one.draw),
  };
}
