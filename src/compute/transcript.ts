/**
 * # Transcript: what a miner commits to before anyone checks him.
 *
 * Always true: T = node(node(rS, rL), rG) fixes every state root at a segment's end, every step's loss, and the
 * operands of every mined GEMM of a fragment; nothing in it can be chosen after the claim (docs/spec/fragment.md).
 */
import { assert } from '../base/assert.ts';
import { type Bytes, concat, littleEndian } from '../base/bytes.ts';
import { sha256 } from '../crypto/hash.ts';
import { merkleLevels, merkleNode, merklePath, merkleRoot, pathInLevels, verifyPath } from './merkle.ts';

const LEAF = new Uint8Array([0]);

/** A leaf of rS: the state root at the end of a segment (index j = 0..M). */
const stateLeaf = (root: Bytes): Bytes => sha256(concat(LEAF, root));
/** A leaf of rL: the loss of step t (index t - 1) as its f32 bits. */
export const lossLeaf = (bits: number): Bytes => sha256(concat(LEAF, littleEndian(BigInt(bits >>> 0), 4)));
/** A leaf of rG: the operand roots of mined node g at step t (index (t-1)*G + g). */
const operandLeaf = (rootA: Bytes, rootB: Bytes): Bytes => sha256(concat(LEAF, rootA, rootB));

export interface TranscriptShape {
  /** H: steps of a fragment. */
  readonly steps: number;
  /** c: steps of a segment; H is a multiple of it. */
  readonly segmentSteps: number;
  /** G: mined nodes of the step graph. */
  readonly nodes: number;
}

/** The three roots of a transcript, revealed together. */
export interface TranscriptRoots {
  readonly states: Bytes;
  readonly losses: Bytes;
  readonly operands: Bytes;
}

/** T of three roots. */
export function transcriptRoot(roots: TranscriptRoots): Bytes {
  return merkleNode(merkleNode(roots.states, roots.losses), roots.operands);
}

/** A fragment's transcript while it grows: leaves are kept, since every one may have to be opened. */
export class Transcript {
  readonly shape: TranscriptShape;
  /** At most M + 1, H and H*G leaves of 32 bytes: 87 kB for the dev job. */
  readonly #states: Bytes[] = [];
  readonly #stateRoots: Bytes[] = [];
  readonly #losses: Bytes[] = [];
  readonly #operands: Bytes[] = [];
  /** Of the operand tree, kept while wins are opened: each path of a fresh tree would cost 2,700 hashes. */
  #operandLevels: readonly (readonly Bytes[])[] | undefined;

  constructor(shape: TranscriptShape) {
    assert(shape.steps % shape.segmentSteps === 0, 'a fragment is a whole number of segments');
    this.shape = shape;
  }

  get stepsDone(): number {
    return this.#losses.length;
  }

  /** Adds S_j for the next j; the first is S_0. */
  addState(root: Bytes): void {
    assert(this.#states.length <= this.shape.steps / this.shape.segmentSteps, 'no state beyond S_M');
    this.#states.push(stateLeaf(root));
    this.#stateRoots.push(root);
  }

  /** Adds the next step: its loss and (rootA, rootB) per mined node in graph order. */
  addStep(lossBits: number, operands: readonly (readonly [Bytes, Bytes])[]): void {
    assert(this.#losses.length < this.shape.steps, 'no step beyond H');
    assert(operands.length === this.shape.nodes, 'one pair of roots per mined node');
    this.#operandLevels = undefined;
    this.#losses.push(lossLeaf(lossBits));
    for (const [a, b] of operands) this.#operands.push(operandLeaf(a, b));
  }

  roots(): TranscriptRoots {
    assert(this.#losses.length === this.shape.steps, 'a transcript is rooted when complete');
    return {
      states: merkleRoot(this.#states),
      losses: merkleRoot(this.#losses),
      operands: merkleRoot(this.#operands),
    };
  }

  root(): Bytes {
    return transcriptRoot(this.roots());
  }

  stateRoot(index: number): Bytes {
    const root = this.#stateRoots[index];
    assert(root !== undefined, 'a state root that was added');
    return root;
  }

  /** The path of S_index in rS. */
  openState(index: number): Bytes[] {
    return merklePath(this.#states, index);
  }

  /** The path of node g's operands at step t in rG. */
  openOperands(step: number, node: number): Bytes[] {
    this.#operandLevels ??= merkleLevels(this.#operands);
    return pathInLevels(this.#operandLevels, (step - 1) * this.shape.nodes + node);
  }

  /** Everything needed to go on after a restart. */
  save(): { readonly states: Bytes[]; readonly losses: Bytes[]; readonly operands: Bytes[] } {
    return { states: [...this.#stateRoots], losses: [...this.#losses], operands: [...this.#operands] };
  }

  /** Restores what `save` gave. */
  static load(shape: TranscriptShape, saved: { states: Bytes[]; losses: Bytes[]; operands: Bytes[] }): Transcript {
    const transcript = new Transcript(shape);
    for (const root of saved.states) transcript.addState(root);
    transcript.#losses.push(...saved.losses);
    transcript.#operands.push(...saved.operands);
    return transcript;
  }
}

/** Whether S_index = root opens in rS. */
export function verifyState(shape: TranscriptShape, rS: Bytes, index: number, root: Bytes, path: Bytes[]): boolean {
  return verifyPath({ root: rS, leaf: stateLeaf(root), index, count: shape.steps / shape.segmentSteps + 1, path });
}

/** Whether (rootA, rootB) of node g at step t opens in rG. */
export function verifyOperands(
  shape: TranscriptShape,
  rG: Bytes,
  at: { readonly step: number; readonly node: number },
  rootA: Bytes,
  rootB: Bytes,
  path: Bytes[],
): boolean {
  const index = (at.step - 1) * shape.nodes + at.node;
  const count = shape.steps * shape.nodes;
  return verifyPath({ root: rG, leaf: operandLeaf(rootA, rootB), index, count, path });
}
