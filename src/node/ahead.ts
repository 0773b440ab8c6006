/**
 * # Ahead: has signatures verified by other threads while what they are part of waits for its turn.
 *
 * Always true: nothing here judges a block or a transaction, and no block waits for a thread. A block is read once, a
 * piece at a time, as far as MAX_AHEAD extrinsics before the import. A wrong guess of what was signed (the block that a
 * mortal era began with is taken from the newest headers seen, on whatever branch) is verified for nothing and found
 * nowhere. Who sends blocks without work gets 8,192 signatures verified before the import refuses the first of them.
 */
import type { Bytes } from '../base/bytes.ts';
import { CodecError } from '../codec/index.ts';
import type { ReceivedBlock } from '../consensus/import.ts';
import { eraBirth } from '../primitives/era.ts';
import { decodeExtrinsic, ExtrinsicError, signingPayload } from '../primitives/extrinsic.ts';
import { Header } from '../primitives/header.ts';
import type { RuntimeSpec } from '../runtime/spec.ts';
import type { ChainStore } from '../state/store.ts';
import type { Claim } from './signatures.ts';
import type { Verifiers } from './verifiers.ts';

/** Fewer are sooner verified than sent. */
const WORTH_SENDING = 8;
/** Extrinsics of blocks that wait, a quarter of what the memory holds: it must not forget them before their turn. */
const MAX_AHEAD = 4_096;
/** Extrinsics read at a time, 1 ms or so: between two readings the import has its turn, of 3 ms (drive.ts). */
const PIECE = 128;
/** Claims of transactions at most; blocks have the rest. Beyond it the pool verifies them, as without threads. */
const MAX_TRANSACTIONS = 2_048;
/** Heights whose hashes are known from headers: more than there are blocks between sync and import. */
const MAX_HASHES = 256;

export interface AheadParts {
  readonly spec: Pick<RuntimeSpec, 'specVersion' | 'transactionVersion'>;
  readonly store: Pick<ChainStore, 'best' | 'genesis' | 'canonical'>;
  readonly verifiers: Pick<Verifiers, 'offer' | 'waiting'>;
}

export class Ahead {
  readonly #parts: AheadParts;
  /** How many extrinsics of a block were read. */
  readonly #read = new WeakMap<ReceivedBlock, number>();
  /** What headers call their parents, by height. */
  readonly #hashes = new Map<number, Bytes>();
  #next: ReceivedBlock | undefined;
  #inWork: ReceivedBlock | undefined;

  constructor(parts: AheadParts) {
    this.#parts = parts;
  }

  /** Reads on in the block that was taken last and in those that wait; to be called each time before one is taken. */
  blocks(waiting: readonly ReceivedBlock[]): void {
    if (this.#next !== waiting[0]) [this.#inWork, this.#next] = [this.#next, waiting[0]];
    const unread = this.#unread(waiting);
    // The first extrinsic of a block sets its time.
    const found = unread.reduce((sum, block) => sum + endOf(block) - Math.max(1, this.#readOf(block)), 0);
    if (found < WORTH_SENDING) return;
    const claims: Claim[] = [];
    let room = PIECE;
    for (const block of unread) {
      const from = this.#readOf(block);
      const to = Math.min(from + room, endOf(block));
      const number = this.#heightOf(block.header);
      this.#read.set(block, number === undefined ? endOf(block) : to);
      if (number === undefined) continue;
      for (const extrinsic of block.extrinsics.slice(from, to)) this.#claim(claims, extrinsic, number);
      room -= to - from;
      if (room === 0) break;
    }
    this.#parts.verifiers.offer(claims);
  }

  /** Blocks with something left to read, as far ahead as may be read. */
  #unread(waiting: readonly ReceivedBlock[]): ReceivedBlock[] {
    const unread = this.#inWork === undefined ? [] : [this.#inWork];
    let ahead = 0;
    for (const block of waiting) {
      ahead += endOf(block);
      if (ahead > MAX_AHEAD) break;
      unread.push(block);
    }
    return unread.filter((block) => this.#readOf(block) < endOf(block));
  }

  #readOf(block: ReceivedBlock): number {
    return this.#read.get(block) ?? 0;
  }

  /** Resolves when the signatures of transactions for the next block are verified; undefined: do not wait. */
  transactions(extrinsics: readonly Bytes[]): Promise<void> | undefined {
    const { store, verifiers } = this.#parts;
    const room = MAX_TRANSACTIONS - verifiers.waiting;
    if (extrinsics.length < WORTH_SENDING || room < WORTH_SENDING) return undefined;
    const claims: Claim[] = [];
    for (const extrinsic of extrinsics.slice(0, room)) this.#claim(claims, extrinsic, store.best.number + 1);
    return verifiers.offer(claims);
  }

  /** The height that a header says, noting its parent's hash; undefined when it is none. */
  #heightOf(header: Bytes): number | undefined {
    try {
      const { number, parentHash } = Header.dec(header);
      // Put at the end again, so that the oldest is the first.
      this.#hashes.delete(number - 1);
      this.#hashes.set(number - 1, parentHash);
      const [oldest] = this.#hashes.keys();
      if (this.#hashes.size > MAX_HASHES && oldest !== undefined) this.#hashes.delete(oldest);
      return number;
    } catch (error) {
      if (error instanceof CodecError) return undefined;
      throw error;
    }
  }

  /** Adds what an extrinsic in a block of this height claims, if it is signed and so far in order. */
  #claim(claims: Claim[], bytes: Bytes, number: number): void {
    const { spec, store } = this.#parts;
    try {
      const { signed, call } = decodeExtrinsic(bytes);
      if (signed?.address.type !== 'Id') return;
      const { address, signature, extra } = signed;
      const genesisHash = store.genesis.hash;
      const birth = eraBirth(extra.era, number);
      const birthHash = birth === 0 ? genesisHash : (this.#hashes.get(birth) ?? store.canonical(birth));
      if (birthHash === undefined) return;
      const { specVersion, transactionVersion } = spec;
      const message = signingPayload(call, extra, { specVersion, transactionVersion, genesisHash, birthHash });
      claims.push({ signature, message, account: address.value });
    } catch (error) {
      // Bytes from outside: whoever judges them says so.
      if (error instanceof ExtrinsicError) return;
      throw error;
    }
  }
}

/** How much of a block is read. */
function endOf({ extrinsics }: ReceivedBlock): number {
  return Math.min(extrinsics.length, MAX_AHEAD);
}
