/**
 * # Set ends: at which heights a chain's sets of voters ended, for whoever asks for the proofs of them.
 *
 * Always true: heights ascend, the last of them ends the set before the present one, and no end between two is missing;
 * only final blocks are read, each once, and at most as many at a time as the caller says.
 */
import type { Bytes } from '../../base/bytes.ts';
import { Header } from '../../primitives/header.ts';
import { MAX_FRAGMENTS, WARP_BYTES, type WarpFragment, type WarpProof } from '../../primitives/warp.ts';
import type { ChainStore } from '../../state/store.ts';
import { lastProof } from './grandpa.ts';
import { changeAt } from './warp.ts';

export class SetEnds {
  private readonly store: ChainStore;
  /** The set that votes on what stands on the last final block. */
  private readonly setIdNow: () => bigint;
  private readonly heights: number[] = [];
  private read: number;

  constructor(store: ChainStore, setIdNow: () => bigint) {
    this.store = store;
    this.setIdNow = setIdNow;
    this.read = store.base;
  }

  /** Reads at most `most` further final blocks; false while some are left. */
  advance(most: number): boolean {
    const { store } = this;
    const to = Math.min(store.settled.number, this.read + most);
    while (this.read < to) {
      this.read++;
      const hash = store.canonical(this.read);
      const header = hash && store.header(hash);
      if (header && changeAt(Header.dec(header)) !== undefined) this.heights.push(this.read);
    }
    return this.read === store.settled.number;
  }

  /** The proof from a set on, as far as one answer reaches; undefined when it is not here. All blocks were read. */
  proofFrom(setId: bigint): WarpProof | undefined {
    const first = this.setIdNow() - BigInt(this.heights.length);
    if (setId < first) return undefined;
    const fragments: WarpFragment[] = [];
    let bytes = 0;
    for (let i = Number(setId - first); i < this.heights.length; i++) {
      const fragment = this.fragmentAt(this.heights[i] as number);
      if (fragment === undefined) return undefined;
      fragments.push(fragment);
      bytes += fragment.header.length + fragment.justification.length;
      if (bytes >= WARP_BYTES || fragments.length >= MAX_FRAGMENTS - 1) return { fragments, finished: false };
    }
    const last = lastProof((name) => this.store.aux(name));
    const header = last && this.store.header(last.block.hash);
    if (last && header && last.block.number > (this.heights.at(-1) ?? this.store.base)) {
      fragments.push({ header, justification: last.bytes });
    }
    return { fragments, finished: true };
  }

  private fragmentAt(number: number): WarpFragment | undefined {
    const hash: Bytes | undefined = this.store.canonical(number);
    const header = hash && this.store.header(hash);
    const justification = hash && this.store.justification(hash);
    return header && justification ? { header, justification } : undefined;
  }
}
