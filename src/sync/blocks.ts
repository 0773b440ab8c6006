/**
 * # Blocks: answers to what peers ask about the chain.
 *
 * Always true: an answer holds at most 64 blocks and stops at 4 MiB, but never before its first block; a part that was
 * not asked for is not sent, and an answer never has a hole. A server keeps no state for a peer.
 */
import { type Bytes, equal } from '../base/bytes.ts';
import { MAX_PROOF_BYTES } from '../primitives/justification.ts';
import type { ChainStore } from '../state/store.ts';
import type { BlockData, BlocksRequest, BlocksResponse, ExtrinsicsRequest, ExtrinsicsResponse } from './messages.ts';
import { Fields, MAX_BLOCKS, MAX_RESPONSE_BYTES } from './messages.ts';

/** What the server reads of the store. */
export type BlockSource = Pick<
  ChainStore,
  'canonical' | 'number' | 'parent' | 'header' | 'body' | 'opening' | 'justification'
>;

/** The blocks asked for, in order; empty when the first is unknown or, going up, not on the best chain. */
export function answerBlocks(source: BlockSource, request: BlocksRequest): BlocksResponse {
  const out: BlocksResponse = [];
  const most = Math.min(request.max, MAX_BLOCKS);
  let bytes = 0;
  for (const hash of walk(source, request, most)) {
    const data = blockData(source, hash, request.fields);
    if (data === undefined) break;
    bytes += sizeOf(data);
    if (out.length > 0 && bytes > MAX_RESPONSE_BYTES) break;
    out.push(data);
  }
  return out;
}

/** The extrinsics at the places asked for, in order; empty when the block or a place is unknown, or beyond 4 MiB. */
export function answerExtrinsics(source: BlockSource, request: ExtrinsicsRequest): ExtrinsicsResponse {
  const body = source.body(request.block);
  if (body === undefined) return [];
  const out: Bytes[] = [];
  let bytes = 0;
  let above = -1;
  for (const place of request.places) {
    const extrinsic = body[place];
    // Ascending places name each extrinsic once: the answer is never larger than the block.
    if (extrinsic === undefined || place <= above) return [];
    above = place;
    bytes += extrinsic.length;
    if (out.length > 0 && bytes > MAX_RESPONSE_BYTES) return [];
    out.push(extrinsic);
  }
  return out;
}

function* walk(source: BlockSource, request: BlocksRequest, most: number): Generator<Bytes> {
  let hash = request.from.type === 'Hash' ? request.from.value : source.canonical(request.from.value);
  if (hash === undefined) return;
  let number = source.number(hash);
  if (number === undefined) return;
  if (!request.descending) {
    const canonical = source.canonical(number);
    if (canonical === undefined || !equal(canonical, hash)) return;
  }
  for (let count = 0; count < most && hash !== undefined; count++) {
    yield hash;
    number += request.descending ? -1 : 1;
    if (number < 0) return;
    hash = request.descending ? source.parent(hash) : source.canonical(number);
  }
}

function blockData(source: BlockSource, hash: Bytes, fields: number): BlockData | undefined {
  const header = (fields & Fields.header) !== 0 ? source.header(hash) : undefined;
  const body = (fields & Fields.body) !== 0 ? source.body(hash) : undefined;
  const opening = (fields & Fields.opening) !== 0 ? source.opening(hash) : undefined;
  const proof = (fields & Fields.justification) !== 0 ? source.justification(hash) : undefined;
  const justification = proof !== undefined && proof.length <= MAX_PROOF_BYTES ? proof : undefined;
  if ((fields & Fields.header) !== 0 && header === undefined) return undefined;
  // Without its body a block is of no use to who asked for it; a pruned opening is told by its absence.
  if ((fields & Fields.body) !== 0 && body === undefined) return undefined;
  return { hash, header, body, opening, justification };
}

function sizeOf(data: BlockData): number {
  let bytes = 32 + (data.header?.length ?? 0) + (data.opening?.length ?? 0) + (data.justification?.length ?? 0);
  for (const extrinsic of data.body ?? []) bytes += extrinsic.length;
  return bytes;
}
