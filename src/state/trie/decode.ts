/** # Decode: the bytes of a trie node read back, strictly: no two byte strings are one node. */
import type { Bytes } from '../../base/bytes.ts';
import { Reader } from '../../codec/index.ts';

const HASH = 32;

export interface DecodedNode {
  /** Nibbles of the node's own part of the key, one per element. */
  readonly partial: readonly number[];
  readonly value: { readonly hashed: boolean; readonly bytes: Bytes } | undefined;
  /** By nibble: a hash of 32 bytes, or the encoding of the child. */
  readonly kids: readonly (Bytes | undefined)[];
}

/** The content of a node; undefined for the empty trie. CodecError when the bytes are no canonical node. */
export function decodeNode(encoded: Bytes): DecodedNode | undefined {
  const from = new Reader(encoded);
  const first = from.u8();
  if (first === 0) {
    from.close();
    return undefined;
  }
  const kind = kindOf(first, from);
  const partial = readPartial(from, readLength(from, first, kind.room));
  const bitmap = kind.branch ? from.u16() : 0;
  if (kind.branch && bitmap === 0) from.fail('value');
  let value: DecodedNode['value'];
  if (kind.value === 'hashed') value = { hashed: true, bytes: from.take(HASH) };
  if (kind.value === 'embedded') value = { hashed: false, bytes: from.take(from.length(1)) };
  const kids: (Bytes | undefined)[] = [];
  for (let nibble = 0; nibble < 16; nibble++) {
    if (((bitmap >> nibble) & 1) === 0) {
      kids.push(undefined);
      continue;
    }
    const length = from.length(1);
    if (length > HASH) from.fail('length');
    kids.push(from.take(length));
  }
  from.close();
  return { partial, value, kids };
}

function kindOf(first: number, from: Reader): { branch: boolean; value: 'none' | 'embedded' | 'hashed'; room: number } {
  if (first >> 6 === 1) return { branch: false, value: 'embedded', room: 63 };
  if (first >> 6 === 2) return { branch: true, value: 'none', room: 63 };
  if (first >> 6 === 3) return { branch: true, value: 'embedded', room: 63 };
  if (first >> 5 === 1) return { branch: false, value: 'hashed', room: 31 };
  if (first >> 4 === 1) return { branch: true, value: 'hashed', room: 15 };
  return from.fail('variant');
}

/** Nibbles of the partial key: what the first byte tells, and 255 more for every full byte after it. */
function readLength(from: Reader, first: number, room: number): number {
  let length = first & room;
  if (length < room) return length;
  for (;;) {
    const more = from.u8();
    length += more;
    if (more < 255) return length;
  }
}

function readPartial(from: Reader, nibbles: number): number[] {
  const bytes = from.take((nibbles + 1) >> 1);
  const partial: number[] = [];
  for (const byte of bytes) partial.push(byte >> 4, byte & 15);
  if ((nibbles & 1) === 1 && partial.shift() !== 0) from.fail('value');
  return partial;
}
