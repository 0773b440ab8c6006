/**
 * # Evidence: what this node found against validators, until the chain has it.
 *
 * Always true: it holds MAX_OPEN proofs at most, the oldest dropped first, each for KEPT_BLOCKS heights; one goes to
 * the pool where the best state takes it, and again when that is still so AGAIN_BLOCKS later. Whoever is behind finds
 * what his own state cannot take yet, and a pool forgets what it refused: said once, it would be lost. Each proof costs
 * somebody his stake, so that nobody fills it for nothing.
 */
import type { Bytes } from '../base/bytes.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ChainStore } from '../state/store.ts';
import type { DoubleProof } from './accusation.ts';

/** As far back as a state of the set is looked for (accusation.ts). */
const KEPT_BLOCKS = 256;
const MAX_OPEN = 64;
/** Two block times for the way to an author, two for the block. */
const AGAIN_BLOCKS = 4;

export interface EvidenceParts {
  readonly runtime: Pick<Runtime, 'validate'>;
  readonly store: Pick<ChainStore, 'best' | 'view'>;
  /** The extrinsic of a proof; undefined where no kept state knows whom it accuses. */
  readonly accusation: (proof: DoubleProof) => Bytes | undefined;
}

interface Open {
  readonly proof: DoubleProof;
  /** The heights at which it was found, and looked at last. */
  readonly since: number;
  seen: number;
}

export class Evidence {
  private readonly parts: EvidenceParts;
  private open: Open[] = [];

  constructor(parts: EvidenceParts) {
    this.parts = parts;
  }

  /** Proofs that the chain has not taken. */
  get count(): number {
    return this.open.length;
  }

  /** A proof is found; the extrinsics that the pool is to have now. */
  found(proof: DoubleProof): readonly Bytes[] {
    const { number } = this.parts.store.best;
    this.open = [...this.open, { proof, since: number, seen: number - AGAIN_BLOCKS }].slice(-MAX_OPEN);
    return this.due();
  }

  /** What the pool is to have at this head; to be asked whenever the head moves. */
  due(): readonly Bytes[] {
    const { number } = this.parts.store.best;
    const out: Bytes[] = [];
    this.open = this.open.filter((one) => {
      if (number > one.since + KEPT_BLOCKS) return false;
      // Another branch may be lower than the one where it was looked at.
      if (Math.abs(number - one.seen) < AGAIN_BLOCKS) return true;
      one.seen = number;
      return this.judge(one.proof, out);
    });
    return out;
  }

  /** Whether the chain does not have it; what it would take goes to `out`. */
  private judge(proof: DoubleProof, out: Bytes[]): boolean {
    const { runtime, store, accusation } = this.parts;
    const extrinsic = accusation(proof);
    const view = store.view(store.best.hash);
    if (extrinsic === undefined || view === undefined) return true;
    const validity = runtime.validate(view, extrinsic, store.best);
    if (validity.ok) out.push(extrinsic);
    return validity.ok || validity.error.value.type !== 'Stale';
  }
}
