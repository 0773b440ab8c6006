/**
 * # Node: one node of the base-16 trie and its bytes (Polkadot spec, section "State storage").
 *
 * Always true: a sealed node is never changed, and its seal, the hash or the encoding that its parent embeds, is that
 * of its content seen from where its parent ends. State version 1 embeds values of more than 32 bytes by their hash.
 */
import type { Bytes } from '../../base/bytes.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { bytesOf } from '../key.ts';
import { nibbleAt } from './nibble.ts';

/** 0 embeds every value, 1 embeds values of more than 32 bytes by their hash. */
export type StateVersion = 0 | 1;

/** Values and encodings up to this length stand in their node or parent as they are. */
const EMBEDDED = 32;
const NO_KIDS: readonly TrieNode[] = [];

/** Header bits of each kind of node, and how much of the first byte is left to the length. */
const LEAF = 0x40;
const BRANCH = 0x80;
const BRANCH_WITH_VALUE = 0xc0;
const LEAF_WITH_HASH = 0x20;
const BRANCH_WITH_HASH = 0x10;

/** A leaf (no kids) or a branch. Hashes lie in eight integers: an array of 32 bytes would cost four times as much. */
export class TrieNode {
  /** The whole key of a leaf; of a branch, any key at or below it. */
  readonly key: string;
  /** Nibbles from the root to the end of this node's own part of the key. */
  readonly depth: number;
  /** The value under the first `depth` nibbles of the key. */
  readonly value: string | undefined;
  /** Children in order of the nibble that leads to them, and a bit for each nibble that does. */
  readonly kids: readonly TrieNode[];
  readonly bitmap: number;
  /** The encoding, where it is shorter than a hash. */
  short: Bytes | undefined = undefined;
  h0 = 0;
  h1 = 0;
  h2 = 0;
  h3 = 0;
  h4 = 0;
  h5 = 0;
  h6 = 0;
  h7 = 0;

  constructor(
    key: string,
    depth: number,
    value: string | undefined,
    kids: readonly TrieNode[] = NO_KIDS,
    bitmap: number = 0,
  ) {
    this.key = key;
    this.depth = depth;
    this.value = value;
    this.kids = kids;
    this.bitmap = bitmap;
  }
}

// One encoding is built at a time: kids are sealed before their parent is written.
const scratch = { bytes: Buffer.alloc(8192), view: new DataView(new ArrayBuffer(0)) };
scratch.view = new DataView(scratch.bytes.buffer, scratch.bytes.byteOffset);

/**
 * Computes the seal of a new node whose part of the key begins at nibble `start`; all its kids are sealed.
 * `raw` is the value in bytes where the caller still has it.
 */
export function seal(node: TrieNode, start: number, version: StateVersion, raw?: Bytes): TrieNode {
  const length = encode(node, start, version, raw);
  const bytes = scratch.bytes.subarray(0, length);
  if (length < EMBEDDED) {
    node.short = new Uint8Array(bytes);
    return node;
  }
  const h = blake2_256(bytes);
  node.h0 = word(h, 0);
  node.h1 = word(h, 4);
  node.h2 = word(h, 8);
  node.h3 = word(h, 12);
  node.h4 = word(h, 16);
  node.h5 = word(h, 20);
  node.h6 = word(h, 24);
  node.h7 = word(h, 28);
  return node;
}

/** The same node, seen from a parent that ends elsewhere. */
export function reseat(node: TrieNode, start: number, version: StateVersion): TrieNode {
  return seal(new TrieNode(node.key, node.depth, node.value, node.kids, node.bitmap), start, version);
}

/** The 32-byte hash of a sealed node, or its whole encoding when that is shorter. */
export function merkleValue(node: TrieNode): Bytes {
  if (node.short !== undefined) return node.short.slice();
  const out = new Uint8Array(32);
  writeSeal(node, new DataView(out.buffer), 0);
  return out;
}

/** The encoding of a sealed node, as it appears in proofs. */
export function encodingOf(node: TrieNode, start: number, version: StateVersion): Bytes {
  return new Uint8Array(scratch.bytes.subarray(0, encode(node, start, version, undefined)));
}

/** Whether the node holds its value by hash. */
export function hashesValue(value: string, version: StateVersion): boolean {
  return version === 1 && value.length > EMBEDDED;
}

/** The header bits of a node. */
function kindOf(isLeaf: boolean, value: 'none' | 'embedded' | 'hashed'): number {
  if (isLeaf) return value === 'hashed' ? LEAF_WITH_HASH : LEAF;
  if (value === 'none') return BRANCH;
  return value === 'hashed' ? BRANCH_WITH_HASH : BRANCH_WITH_VALUE;
}

/** The largest length that the first byte of such a node can tell, plus one. */
function roomOf(kind: number): number {
  return kind === LEAF_WITH_HASH ? 31 : kind === BRANCH_WITH_HASH ? 15 : 63;
}

/** Writes a node into the scratch buffer; returns its length. */
function encode(node: TrieNode, start: number, version: StateVersion, raw: Bytes | undefined): number {
  const { key, value, kids, depth } = node;
  const hashed = value !== undefined && hashesValue(value, version);
  // Header and partial key take less than one byte a nibble and two more; a compact length at most five.
  reserve(depth - start + 2 + 2 + (value === undefined || hashed ? 0 : value.length) + EMBEDDED + 5 + 33 * kids.length);
  const valueForm = value === undefined ? 'none' : hashed ? 'hashed' : 'embedded';
  let at = writeHeader(kindOf(kids.length === 0, valueForm), depth - start);
  at = writePartial(key, start, depth, at);
  const { bytes, view } = scratch;
  if (kids.length > 0) {
    bytes[at++] = node.bitmap & 255;
    bytes[at++] = node.bitmap >> 8;
  }
  if (value !== undefined) {
    if (hashed) {
      bytes.set(blake2_256(raw ?? bytesOf(value)), at);
      at += 32;
    } else {
      at = writeCompact(value.length, at);
      at += bytes.write(value, at, 'latin1');
    }
  }
  for (let i = 0; i < kids.length; i++) {
    const kid = kids[i] as TrieNode;
    if (kid.short === undefined) {
      bytes[at] = EMBEDDED << 2;
      writeSeal(kid, view, at + 1);
      at += 33;
    } else {
      bytes[at] = kid.short.length << 2;
      bytes.set(kid.short, at + 1);
      at += 1 + kid.short.length;
    }
  }
  return at;
}

function writeHeader(kind: number, nibbles: number): number {
  const { bytes } = scratch;
  const room = roomOf(kind);
  if (nibbles < room) {
    bytes[0] = kind | nibbles;
    return 1;
  }
  bytes[0] = kind | room;
  let at = 1;
  let rest = nibbles - room;
  for (; rest >= 255; rest -= 255) bytes[at++] = 255;
  bytes[at++] = rest;
  return at;
}

/** Nibbles [start, end) of a key, two a byte; an odd one stands alone in front. */
function writePartial(key: string, start: number, end: number, offset: number): number {
  const { bytes } = scratch;
  let at = offset;
  let from = start;
  if (((end - start) & 1) === 1) bytes[at++] = nibbleAt(key, from++);
  if ((from & 1) === 0) {
    if (from < end) at += bytes.write(key.slice(from >> 1, end >> 1), at, 'latin1');
    return at;
  }
  for (; from < end; from += 2) {
    const i = from >> 1;
    bytes[at++] = ((key.charCodeAt(i) & 15) << 4) | (key.charCodeAt(i + 1) >> 4);
  }
  return at;
}

function writeCompact(value: number, offset: number): number {
  const { view } = scratch;
  if (value < 0x40) {
    view.setUint8(offset, value << 2);
    return offset + 1;
  }
  if (value < 0x4000) {
    view.setUint16(offset, (value << 2) | 1, true);
    return offset + 2;
  }
  view.setUint32(offset, (value * 4 + 2) >>> 0, true);
  return offset + 4;
}

function writeSeal(node: TrieNode, view: DataView, at: number): void {
  view.setInt32(at, node.h0, true);
  view.setInt32(at + 4, node.h1, true);
  view.setInt32(at + 8, node.h2, true);
  view.setInt32(at + 12, node.h3, true);
  view.setInt32(at + 16, node.h4, true);
  view.setInt32(at + 20, node.h5, true);
  view.setInt32(at + 24, node.h6, true);
  view.setInt32(at + 28, node.h7, true);
}

function word(bytes: Bytes, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

function reserve(length: number): void {
  if (length <= scratch.bytes.length) return;
  scratch.bytes = Buffer.alloc(2 * length);
  scratch.view = new DataView(scratch.bytes.buffer, scratch.bytes.byteOffset);
}
