/**
 * # Snapshot: the last final block and its state as a list of records, for a file or any other way to carry it.
 *
 * Always true: what an intake gives back is the block that the first record holds, with the body and the state that its
 * header names, of the chain that was asked for. Memory is the state and one record; a record has at most
 * MAX_RECORD_BYTES. What nothing in the header names (`meta`) is the word of whoever made the snapshot.
 */
import { assert } from '../base/assert.ts';
import { type Bytes, equal } from '../base/bytes.ts';
import { boundedBytes, CodecError, hash, type Of, option, struct, vec } from '../codec/index.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { Header } from '../primitives/header.ts';
import type { Base, ChainStore } from '../state/store.ts';
import { CHUNK_LIMITS, type ChunkLimits, StateChunk } from '../state/trie/chunk.ts';
import { orderedRoot } from '../state/trie/root.ts';
import { BlockParts } from './messages.ts';
import { StateIntake } from './state-intake.ts';

/** What a snapshot begins with, before its records: name and version of the format. */
export const SNAPSHOT_MAGIC: Bytes = Uint8Array.from('mAIsnap1', (c) => c.charCodeAt(0));
/** The largest body has 5 MiB, the largest chunk one value of 4 MiB more than its MiB. */
export const MAX_RECORD_BYTES = 16 * 1024 * 1024;
const MAX_META_BYTES = 1024;

const SnapshotHead = struct({
  genesis: hash,
  header: BlockParts.header,
  body: vec(BlockParts.extrinsic, BlockParts.maxExtrinsics),
  opening: option(BlockParts.opening),
  justification: option(BlockParts.justification),
  /** What consensus keeps with the block. */
  meta: boundedBytes(MAX_META_BYTES),
});
type SnapshotHead = Of<typeof SnapshotHead>;

const SNAPSHOT_FAULTS = {
  Damaged: 'a record does not decode',
  OtherChain: 'the snapshot is of another chain',
  WrongBody: 'the body is not the one that the header names',
  WrongState: 'a part of the state is not what the header names',
  NoState: 'the state of the last final block is not here',
} as const;
type SnapshotFault = keyof typeof SNAPSHOT_FAULTS;

/** Why something is no snapshot of this chain. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly code: SnapshotFault;

  constructor(code: SnapshotFault, data?: string) {
    super(data === undefined ? SNAPSHOT_FAULTS[code] : `${SNAPSHOT_FAULTS[code]} (${data})`);
    this.code = code;
  }
}

/** The records of the last final block of a store, with its proof. Throws SnapshotError `NoState`. */
export function* snapshotOf(
  store: ChainStore,
  justification: Bytes | undefined,
  limits: ChunkLimits = CHUNK_LIMITS,
): Generator<Bytes, void> {
  const { hash: block } = store.settled;
  const [header, body, meta, view] = [store.header(block), store.body(block), store.meta(block), store.view(block)];
  if (header === undefined || body === undefined || meta === undefined || view === undefined) {
    throw new SnapshotError('NoState');
  }
  const head: SnapshotHead = {
    genesis: store.genesis.hash,
    header,
    body,
    opening: store.opening(block),
    justification,
    meta,
  };
  yield SnapshotHead.enc(head);
  for (let after: Bytes | undefined, complete = false; !complete; ) {
    const chunk = view.chunk(after, limits);
    yield StateChunk.enc(chunk);
    after = chunk.entries.at(-1)?.[0];
    complete = chunk.complete;
  }
}

export class SnapshotIntake {
  private readonly genesis: Bytes;
  private head: { readonly record: SnapshotHead; readonly header: Header } | undefined;
  private state: StateIntake | undefined;

  constructor(genesis: Bytes) {
    this.genesis = genesis;
  }

  /** Whether all records are here. */
  get isComplete(): boolean {
    return this.state?.isComplete ?? false;
  }

  /** Keys that are here. */
  get keys(): number {
    return this.state?.count.keys ?? 0;
  }

  /** Takes the next record. Throws SnapshotError; after that the intake is spent. */
  take(record: Bytes): void {
    assert(!this.isComplete, 'nothing follows the last chunk');
    if (this.state === undefined) {
      this.begin(decoded(() => SnapshotHead.dec(record)));
      return;
    }
    const fault = this.state.take(decoded(() => StateChunk.dec(record)));
    if (fault !== undefined) throw new SnapshotError('WrongState', fault);
  }

  /** The block with its state. */
  base(): Base {
    assert(this.head !== undefined && this.state !== undefined, 'a snapshot that was taken whole');
    const { header, record } = this.head;
    const { body, meta, opening, justification } = record;
    const block = { hash: blake2_256(record.header), number: header.number, header: record.header };
    return { ...block, body, meta, opening, justification, state: this.state.tree() };
  }

  private begin(record: SnapshotHead): void {
    if (!equal(record.genesis, this.genesis)) throw new SnapshotError('OtherChain');
    const header = decoded(() => Header.dec(record.header));
    if (!equal(orderedRoot(record.body), header.extrinsicsRoot)) throw new SnapshotError('WrongBody');
    this.head = { record, header };
    this.state = new StateIntake(header.stateRoot);
  }
}

function decoded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CodecError) throw new SnapshotError('Damaged', error.message);
    throw error;
  }
}
