/**
 * # Opening: the two panels that a winner shows, and their way to the roots.
 *
 * Always true: an opening is raw, not noised, and complete: with the seal and the header it is all that a checker of a
 * ticket needs. Bytes: panelA (16*slab) ++ panelB ++ SCALE Vec<H256> pathA ++ Vec<H256> pathB; 8.5, 33 or 66 KB by
 * profile. Source: docs/spec/compute-pow.md section 6.
 */
import type { Bytes } from '../../base/bytes.ts';
import { CodecError, hash, Reader, vec, Writer } from '../../codec/index.ts';
import { merklePath } from '../merkle.ts';
import { leafIndex, type Operand, operandLeaves, panelOf } from './commitment.ts';
import { type Place, type Profile, type Shape, TILE } from './profile.ts';

export interface Opening {
  readonly panelA: Int8Array;
  readonly panelB: Int8Array;
  readonly pathA: readonly Bytes[];
  readonly pathB: readonly Bytes[];
}

// m, n < 2^32 and at most 16 slabs: a tree has at most 2^32 leaves, a path at most 32 siblings.
const path = vec(hash, 32);

/** The opening of a ticket from the raw operands. Hashes both: about 10 ms for a product of 512 x 256 x 1024. */
export function buildOpening(a: Operand, b: Operand, shape: Shape, place: Place): Opening {
  const { slab } = shape.profile;
  return {
    panelA: panelOf(a, place.ti, place.s, slab),
    panelB: panelOf(b, place.tj, place.s, slab),
    pathA: merklePath(operandLeaves(a, slab), leafIndex(place.ti, place.s, shape.slabs)),
    pathB: merklePath(operandLeaves(b, slab), leafIndex(place.tj, place.s, shape.slabs)),
  };
}

/** The bytes that travel as the block's justification. */
export function encodeOpening(opening: Opening): Bytes {
  const out = new Writer(opening.panelA.length + opening.panelB.length + 2048);
  out.raw(asBytes(opening.panelA));
  out.raw(asBytes(opening.panelB));
  path.write(out, [...opening.pathA]);
  path.write(out, [...opening.pathB]);
  return out.finish();
}

/** The opening in bytes that a peer sent; undefined unless they are exactly one of this profile. */
export function decodeOpening(bytes: Bytes, profile: Profile): Opening | undefined {
  const from = new Reader(bytes);
  const panelBytes = TILE * profile.slab;
  try {
    const opening = {
      panelA: asPanel(from.take(panelBytes)),
      panelB: asPanel(from.take(panelBytes)),
      pathA: path.read(from),
      pathB: path.read(from),
    };
    from.close();
    return opening;
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}

function asBytes(panel: Int8Array): Bytes {
  return new Uint8Array(panel.buffer, panel.byteOffset, panel.length);
}

function asPanel(bytes: Bytes): Int8Array {
  return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
