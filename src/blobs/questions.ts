/**
 * # Blob questions: the two things that peers ask each other about blobs.
 *
 * Stat { id } is answered by 00 (have not) or 01 and the description; Chunks { id, first, count } by 00 or 01 and the
 * raw bytes. Always true: an answer is read only up to the size that a true one can have.
 */
import type { Bytes } from '../base/bytes.ts';
import { CodecError, hash, type Of, struct, u8, u32, variant } from '../codec/index.ts';
import { decodeStat, encodeStat } from './partial.ts';
import type { BlobStore } from './store.ts';
import { type BlobStat, MAX_CHUNKS, runLength } from './tree.ts';

/** What is used of the node's network; a request rejects with an error named RequestError. */
export interface BlobNetwork {
  peers(): readonly { readonly id: string }[];
  request(
    peer: string,
    protocol: 'blobs',
    payload: Bytes,
    options: { readonly timeoutMs: number; readonly maxBytes: number },
  ): Promise<Bytes>;
  handle(protocol: 'blobs', handler: (payload: Bytes, from: string) => Promise<Bytes>): void;
  report(peer: string, delta: number, reason: string): void;
}

const STAT_TIMEOUT_MS = 5_000;
/** 1 MiB in 15 s: slower than 70 kB/s is as good as dead. */
const RUN_TIMEOUT_MS = 15_000;
/**
 * Chunks per question: 1 MiB. Measured on loopback, both ends in one process: 42 MB cost 1,250 ms of CPU in answers of
 * one chunk and 680 ms in answers of four, since each stream costs its opening, negotiation and end.
 */
export const MAX_RUN = 4;
/** Tag, length, count and roots. */
const MAX_STAT_BYTES = 1 + 8 + 4 + 32 * MAX_CHUNKS;
const NONSENSE_PENALTY = -20;
const HAVE = 1;
const HAVE_NOT = Uint8Array.of(0);

const Question = variant({ Stat: hash, Chunks: struct({ id: hash, first: u32, count: u8 }) });

/** The peer's description of the blob; undefined when it has none, or tells nonsense. Rejects as requests do. */
export async function askStat(network: BlobNetwork, peer: string, id: Bytes): Promise<BlobStat | undefined> {
  const options = { timeoutMs: STAT_TIMEOUT_MS, maxBytes: MAX_STAT_BYTES };
  const answer = await network.request(peer, 'blobs', Question.enc({ type: 'Stat', value: id }), options);
  if (answer[0] !== HAVE) return undefined;
  const stat = decodeStat(id, answer.subarray(1));
  if (stat === undefined) network.report(peer, NONSENSE_PENALTY, 'false blob description');
  return stat;
}

/** Chunks that the peer has, unchecked; undefined when it has none. Rejects as requests do. */
export async function askChunks(
  network: BlobNetwork,
  peer: string,
  wanted: { readonly id: Bytes; readonly first: number; readonly count: number; readonly length: number },
): Promise<Bytes | undefined> {
  const { id, first, count, length } = wanted;
  const question = Question.enc({ type: 'Chunks', value: { id, first, count } });
  const options = { timeoutMs: RUN_TIMEOUT_MS, maxBytes: 1 + runLength(length, first, count) };
  const answer = await network.request(peer, 'blobs', question, options);
  return answer[0] === HAVE ? answer.subarray(1) : undefined;
}

/** Answers peers from the store. */
export function serveBlobs(store: BlobStore, network: BlobNetwork): void {
  network.handle('blobs', async (payload, from) => {
    let question: Of<typeof Question>;
    try {
      question = Question.dec(payload);
    } catch (error) {
      if (error instanceof CodecError) network.report(from, NONSENSE_PENALTY, 'malformed blob question');
      throw error;
    }
    if (question.type === 'Stat') {
      const stat = await store.stat(question.value);
      if (stat === undefined) return HAVE_NOT;
      const bytes = encodeStat(stat);
      const answer = new Uint8Array(1 + bytes.length);
      answer[0] = HAVE;
      answer.set(bytes, 1);
      return answer;
    }
    const { id, first, count } = question.value;
    const answer = await store.chunks(id, { first, count: Math.min(count, MAX_RUN), room: 1 });
    if (answer === undefined) return HAVE_NOT;
    answer[0] = HAVE;
    return answer;
  });
}

/** The code of a request that failed; anything else is thrown on. */
export function faultOf(error: unknown): string {
  if (error instanceof Error && error.name === 'RequestError' && 'code' in error) return String(error.code);
  throw error;
}
