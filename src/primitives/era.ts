/**
 * # Era: how long a signed extrinsic may wait.
 *
 * Always true: a mortal era is [birth, birth + period) for a period that is a power of two from 4 to 65,536; the birth
 * block's hash is part of what is signed (sp_runtime::generic::Era).
 */
import { assert } from '../base/assert.ts';
import { type CaseShape, type Codec, CodecError, codec, u8, variantShape } from '../codec/index.ts';

export type Era =
  | { readonly type: 'Immortal' }
  | { readonly type: 'Mortal'; readonly period: number; readonly phase: number };

const MIN_PERIOD = 4;
const MAX_PERIOD = 65_536;

/** As clients know it: the first byte is the case, 0 for Immortal; a mortal case holds the second byte. */
const CASES: readonly CaseShape[] = Array.from({ length: 256 }, (_, index) => ({
  name: index === 0 ? 'Immortal' : `Mortal${index}`,
  index,
  fields: index === 0 ? [] : [{ shape: u8.shape }],
  docs: [],
}));

/** One byte, or two: u16 = (log2(period) - 1) | (phase / quantum) << 4. */
export const Era: Codec<Era> = codec<Era>(
  variantShape(CASES, { path: 'sp_runtime::generic::era::Era' }),
  (out, era) => {
    if (era.type === 'Immortal') return out.u8(0);
    if (!isPeriod(era.period) || !isPhase(era.phase, era.period)) throw new CodecError('range');
    return out.u16((30 - Math.clz32(era.period)) | ((era.phase / quantum(era.period)) << 4));
  },
  (from) => {
    const first = from.u8();
    if (first === 0) return { type: 'Immortal' };
    const bits = first | (from.u8() << 8);
    const period = 2 << (bits & 15);
    const phase = (bits >> 4) * quantum(period);
    return isPeriod(period) && phase < period ? { type: 'Mortal', period, phase } : from.fail('value');
  },
);

/** The era that begins at or just before block `current`; `period` is rounded up to a power of two, 4 to 65,536. */
export function mortalEra(period: number, current: number): Era {
  assert(Number.isSafeInteger(current) && current >= 0, 'a block number');
  let rounded = MIN_PERIOD;
  while (rounded < period && rounded < MAX_PERIOD) rounded *= 2;
  const step = quantum(rounded);
  const phase = Math.floor((current % rounded) / step) * step;
  return { type: 'Mortal', period: rounded, phase };
}

/** The first block of the era in which `current` lies: its hash is signed. 0 for immortal. */
export function eraBirth(era: Era, current: number): number {
  if (era.type === 'Immortal') return 0;
  const { period, phase } = era;
  return Math.floor((Math.max(current, phase) - phase) / period) * period + phase;
}

/** The first block in which an extrinsic of this era is too old; Infinity for immortal. */
export function eraDeath(era: Era, current: number): number {
  return era.type === 'Immortal' ? Number.POSITIVE_INFINITY : eraBirth(era, current) + era.period;
}

/** Phases are multiples of this, so that they fit 12 bits. */
function quantum(period: number): number {
  return Math.max(period >> 12, 1);
}

function isPeriod(period: number): boolean {
  return period >= MIN_PERIOD && period <= MAX_PERIOD && (period & (period - 1)) === 0;
}

function isPhase(phase: number, period: number): boolean {
  return Number.isInteger(phase) && phase >= 0 && phase < period && phase % quantum(period) === 0;
}
