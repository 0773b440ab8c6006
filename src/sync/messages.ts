/**
 * # Sync messages: what nodes say to each other about blocks and extrinsics, as SCALE.
 *
 * Always true: every sequence has a stated bound that is checked before anything is allocated, and a message that
 * decodes is exactly the bytes it encodes to. Headers, openings and extrinsics travel as opaque bytes: whoever
 * imports them decodes them.
 */
import { type Bytes, concat, toHex } from '../base/bytes.ts';
import {
  bool,
  boundedBytes,
  compactU32,
  fixed,
  hash,
  type Of,
  option,
  struct,
  tryDecode,
  u8,
  u16,
  u32,
  u64,
  u256,
  variant,
  vec,
} from '../codec/index.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { Header } from '../primitives/header.ts';
import { MAX_PROOF_BYTES } from '../primitives/justification.ts';
import { WarpProof } from '../primitives/warp.ts';
import { MAX_KEY_BYTES, StateChunk } from '../state/trie/chunk.ts';

/** A peer as the network names it. */
export type PeerId = string;
/** Milliseconds of a monotonic clock. */
export type Millis = number;

/** Blocks of one response, and so of one request. */
export const MAX_BLOCKS = 64;
/** Bytes of one response: 64 blocks of a busy chain are cut here, and the asker goes on from where it ended. */
export const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;
/** A header with a PreRuntime, a seal and room for pallet digests; the digest of Substrate has no bound of its own. */
const MAX_HEADER_BYTES = 16 * 1024;
/** Profile 2: two panels of 32 KiB and two paths of at most 32 hashes. */
const MAX_OPENING_BYTES = 72 * 1024;
/** One extrinsic. */
const MAX_EXTRINSIC_BYTES = 2 * 1024 * 1024;
/** Extrinsics of one block: 5 MiB of the shortest signed ones (about 105 bytes) are 49,932. */
const MAX_EXTRINSICS = 65_536;
/** Extrinsics of one gossip batch. */
const MAX_BATCH = 256;
const SHORT_ID_BYTES = 6;

const headerBytes = boundedBytes(MAX_HEADER_BYTES);
const openingBytes = boundedBytes(MAX_OPENING_BYTES);
const extrinsicBytes = boundedBytes(MAX_EXTRINSIC_BYTES);

/** The parts of a block wherever one is carried, each within its bound. */
export const BlockParts = {
  header: headerBytes,
  opening: openingBytes,
  extrinsic: extrinsicBytes,
  maxExtrinsics: MAX_EXTRINSICS,
  justification: boundedBytes(MAX_PROOF_BYTES),
} as const;

/** How a node stands: sent on connecting, and again whenever it is asked. */
export const Status = struct({
  genesis: hash,
  bestNumber: u32,
  bestHash: hash,
  totalDifficulty: u256,
  finalizedNumber: u32,
  finalizedHash: hash,
  /** Unix time in milliseconds, as its clock says: for whoever wants to know how his own stands. */
  time: u64,
});
export type Status = Of<typeof Status>;

/** Which parts of a block are asked for. */
export const Fields = { header: 1, body: 2, opening: 4, justification: 8, all: 15 } as const;

export const BlocksRequest = struct({
  fields: u8,
  from: variant({ Hash: hash, Number: u32 }),
  /** Toward genesis, by parent hashes; otherwise up the server's best chain. */
  descending: bool,
  max: u16,
});
export type BlocksRequest = Of<typeof BlocksRequest>;

/** One block of a response; a part that was not asked for, or is no longer kept, is absent. */
export const BlockData = struct({
  hash,
  header: option(headerBytes),
  body: option(vec(extrinsicBytes, MAX_EXTRINSICS)),
  opening: option(openingBytes),
  /** What proves the block final: of each block that ends a set of voters, and of a few others. */
  justification: option(boundedBytes(MAX_PROOF_BYTES)),
});
export type BlockData = Of<typeof BlockData>;

/** In the order asked, without holes; empty when the first block is unknown or not on the server's best chain. */
export const BlocksResponse = vec(BlockData, MAX_BLOCKS);
export type BlocksResponse = Of<typeof BlocksResponse>;

/** Leading extrinsics that come in full: Timestamp.set, which is in nobody's pool. */
const MAX_INHERENTS = 4;

/** A new block as it is gossiped: but for its inherents, its extrinsics are mostly in the receiver's pool already. */
export const Announcement = struct({
  header: headerBytes,
  opening: openingBytes,
  /** The first extrinsics of the block, whole. */
  inherents: vec(extrinsicBytes, MAX_INHERENTS),
  /** Short ids of the rest, in order. */
  ids: vec(fixed(SHORT_ID_BYTES), MAX_EXTRINSICS),
});
export type Announcement = Of<typeof Announcement>;

/** Asks for the extrinsics of a block at these places, ascending. */
export const ExtrinsicsRequest = struct({ block: hash, places: vec(compactU32, MAX_EXTRINSICS) });
export type ExtrinsicsRequest = Of<typeof ExtrinsicsRequest>;

/** In the order of the places asked for; empty when the block is unknown. */
export const ExtrinsicsResponse = vec(extrinsicBytes, MAX_EXTRINSICS);
export type ExtrinsicsResponse = Of<typeof ExtrinsicsResponse>;

/** Asks for the part of a block's state that begins after a key, or at its beginning. */
export const StateRequest = struct({ block: hash, after: option(boundedBytes(MAX_KEY_BYTES)) });
export type StateRequest = Of<typeof StateRequest>;

/** Absent when that state is not kept. */
export const StateResponse = option(StateChunk);
export type StateResponse = Of<typeof StateResponse>;
/** A chunk with one value more than it should hold, and its proof. */
export const MAX_STATE_BYTES = 8 * 1024 * 1024;

/** Asks for the proof of the newest final block, from a set of voters on. */
export const WarpRequest = struct({ setId: u64 });
export type WarpRequest = Of<typeof WarpRequest>;

/** Absent when the proof is not here from that set on. */
export const WarpResponse = option(WarpProof);
export type WarpResponse = Of<typeof WarpResponse>;
/** A piece ends with the fragment that fills a MiB. */
export const MAX_WARP_BYTES = 2 * 1024 * 1024;

/** Extrinsics that a node passes on, each with its length prefix. */
export const TransactionsBatch = struct({
  /** 0 the first time; told again, something else: gossip does not carry bytes twice within two minutes. */
  repeat: u32,
  extrinsics: vec(extrinsicBytes, MAX_BATCH),
});
export type TransactionsBatch = Of<typeof TransactionsBatch>;

/** The hash of a header: its BLAKE2b-256. */
export function headerHash(header: Bytes): Bytes {
  return blake2_256(header);
}

/** Height and parent of a header; undefined when the bytes are none. */
export function linkOf(header: Bytes): { readonly number: number; readonly parent: Bytes } | undefined {
  const decoded = tryDecode(Header, header);
  return decoded && { number: decoded.number, parent: decoded.parentHash };
}

/**
 * Names an extrinsic within one block. The block's hash is part of it: unkeyed, two extrinsics that agree in 48 bits
 * (2^24 tries) would make every announcement that holds one of them fail.
 */
export function shortId(block: Bytes, extrinsicHash: Bytes): Bytes {
  return blake2_256(concat(block, extrinsicHash)).subarray(0, SHORT_ID_BYTES);
}

/** The announcement of a whole block. */
export function announcementOf(header: Bytes, opening: Bytes, extrinsics: readonly Bytes[]): Announcement {
  const block = headerHash(header);
  const ids = extrinsics.slice(1).map((bytes) => shortId(block, blake2_256(bytes)));
  return { header, opening, inherents: extrinsics.slice(0, 1), ids };
}

/** Short ids are looked up by their hex. */
export function shortIdKey(id: Bytes): string {
  return toHex(id);
}
