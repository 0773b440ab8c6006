/**
 * # Meter: how much of a block is used.
 *
 * Always true: no class of calls exceeds its share, and all together the block's weight and length; inherents always
 * fit, so that an empty block can always be built.
 */
import type { Kernel } from './context.ts';
import { invalid } from './errors.ts';
import { BASE_EXTRINSIC_PS, type BlockWeights, type ClassName, NO_WEIGHT, plus, type Weight } from './weights.ts';

const KEYS = { Normal: 'normal', Operational: 'operational', Mandatory: 'mandatory' } as const;
const BASE: Weight = { ref_time: BASE_EXTRINSIC_PS, proof_size: 0n };
// Transactions of the normal class leave a quarter of the bytes to others, as of the weight.
const NORMAL_QUARTERS = 3;

export class Meter {
  private readonly limits: BlockWeights;
  private readonly maxLength: number;
  private readonly used = { normal: NO_WEIGHT, operational: NO_WEIGHT, mandatory: NO_WEIGHT };
  private length = 0;

  constructor({ limits, spec }: Kernel) {
    this.limits = limits;
    this.maxLength = spec.blockLength;
    this.used.mandatory = this.limits.base_block;
  }

  /** Weight used so far, by class. */
  get weights(): { readonly normal: Weight; readonly operational: Weight; readonly mandatory: Weight } {
    return { ...this.used };
  }

  /** Counts weight that is not optional: hooks. */
  always(weight: Weight): void {
    this.used.mandatory = plus(this.used.mandatory, weight);
  }

  /** Throws ValidityFailure `ExhaustsResources` when an extrinsic does not fit any more. */
  check(weight: Weight, of: ClassName, bytes: number): void {
    if (of === 'Mandatory') return;
    const limit = this.limits.per_class[KEYS[of]].max_total?.ref_time ?? 0n;
    const more = weight.ref_time + BASE.ref_time;
    if (this.used[KEYS[of]].ref_time + more > limit) throw invalid('ExhaustsResources');
    if (this.total() + more > this.limits.max_block.ref_time) throw invalid('ExhaustsResources');
    const room = of === 'Normal' ? Math.floor((this.maxLength * NORMAL_QUARTERS) / 4) : this.maxLength;
    if (this.length + bytes > room) throw invalid('ExhaustsResources');
  }

  /** Counts an extrinsic that was applied. */
  count(weight: Weight, of: ClassName, bytes: number): void {
    this.used[KEYS[of]] = plus(plus(this.used[KEYS[of]], weight), BASE);
    this.length += bytes;
  }

  private total(): bigint {
    return this.used.normal.ref_time + this.used.operational.ref_time + this.used.mandatory.ref_time;
  }
}
