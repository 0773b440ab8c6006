/**
 * # Calls: what the kernels' module offers to mining, by byte offset in its memory.
 *
 * Always true: these functions touch only the ranges that their arguments name and the module's first page; sizes come
 * from a checked Shape. They are specified in kernels/assembly/pouw-*.ts and equal the plain reference on every input.
 */
import { assert } from '../../base/assert.ts';

export interface PouwCalls {
  pouwKeystream(out: number, key: number, tag: number, firstBlock: number, bytes: number): void;
  pouwLeaves(leaves: number, q: number, lines: number, k: number, slab: number): void;
  pouwHashes(out: number, messages: number, stride: number, count: number, blocks: number): void;
  pouwRoot(hashes: number, count: number): void;
  pouwLines(out: number, raw: number, seed: number, tag: number, from: number, lines: number, rank: number): void;
  pouwIndices(out: number, raw: number, seed: number, tag: number, from: number, count: number, rank: number): void;
  pouwPart(indicesA: number, indicesB: number, k: number, rank: number): number;
  pouwPackB(
    out: number,
    leaves: number,
    lines: number,
    indicesA: number,
    indicesB: number,
    n: number,
    k: number,
    slab: number,
    rank: number,
    part: number,
  ): void;
  pouwMine(
    c: number,
    scaleA: number,
    scaleB: number,
    leavesA: number,
    linesA: number,
    panelsB: number,
    indicesA: number,
    indicesB: number,
    m: number,
    n: number,
    k: number,
    slab: number,
    rank: number,
    part: number,
    panelA: number,
    folds: number,
    key: number,
    bound: number,
    result: number,
  ): void;
  pouwTicket(
    out: number,
    panelA: number,
    panelB: number,
    seedA: number,
    seedB: number,
    ti: number,
    tj: number,
    s: number,
    slab: number,
    rank: number,
    scratch: number,
  ): void;
}

const NAMES: readonly (keyof PouwCalls)[] = [
  'pouwKeystream',
  'pouwLeaves',
  'pouwHashes',
  'pouwRoot',
  'pouwLines',
  'pouwIndices',
  'pouwPart',
  'pouwPackB',
  'pouwMine',
  'pouwTicket',
];

/** The mining calls of an instance of the module. */
export function pouwCalls(exports: Readonly<Record<string, unknown>>): PouwCalls {
  for (const name of NAMES) assert(typeof exports[name] === 'function', `the kernels' module exports ${name}`);
  return exports as unknown as PouwCalls;
}
