/**
 * # Commitment: operands are fixed before their noise is known.
 *
 * Always true: an operand is a list of lines of k int8 values (rows of A, columns of B), cut into panels of 16 lines
 * over one slab; its root depends on nothing but the operand and the profile, so the same root serves every header.
 * Source: docs/spec/compute-pow.md section 3.
 */
import type { Bytes } from '../../base/bytes.ts';
import { merkleLeaf, merkleRoot } from '../merkle.ts';
import { TILE } from './profile.ts';

/** Lines of an operand, one after the other: A row-major [m][k], or B transposed [n][k]. */
export interface Operand {
  readonly data: Int8Array;
  /** m or n. */
  readonly lines: number;
  readonly k: number;
}

/** The index of panel (block, s) among the leaves. */
export function leafIndex(block: number, s: number, slabs: number): number {
  return block * slabs + s;
}

/** Panel (block, s): slab*16 bytes, byte z*16+q = line 16*block+q at position s*slab+z. */
export function panelOf(operand: Operand, block: number, s: number, slab: number): Int8Array {
  const panel = new Int8Array(slab * TILE);
  for (let q = 0; q < TILE; q++) {
    const line = (block * TILE + q) * operand.k + s * slab;
    for (let z = 0; z < slab; z++) panel[z * TILE + q] = operand.data[line + z] as number;
  }
  return panel;
}

/** A panel's leaf hash. */
export function panelLeaf(panel: Int8Array): Bytes {
  return merkleLeaf(new Uint8Array(panel.buffer, panel.byteOffset, panel.length));
}

/** All leaf hashes of an operand in tree order. */
export function operandLeaves(operand: Operand, slab: number): Bytes[] {
  const slabs = operand.k / slab;
  return Array.from({ length: (operand.lines / TILE) * slabs }, (_, leaf) =>
    panelLeaf(panelOf(operand, Math.floor(leaf / slabs), leaf % slabs, slab)),
  );
}

/** The operand's root: rootA or rootB. */
export function operandRoot(operand: Operand, slab: number): Bytes {
  return merkleRoot(operandLeaves(operand, slab));
}
