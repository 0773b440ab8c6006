/**
 * # Import: how a block that came from somewhere becomes one of ours.
 *
 * Always true: a block is Received, Decoded, Sealed, Executed and Imported, in this order and by these functions only;
 * each type holds what the steps before it proved. D is computed from the parent, never taken from the block. Nothing
 * a peer sent throws: every failing check has its own code (block-error.ts).
 */
import { type Bytes, equal } from '../base/bytes.ts';
import { CodecError } from '../codec/index.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { decodeExtrinsic, ExtrinsicError } from '../primitives/extrinsic.ts';
import { Header } from '../primitives/header.ts';
import { PowError, readSealed, type Sealed } from '../primitives/pow.ts';
import type { BlockFault as ExecutionFault } from '../runtime/runtime.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import type { StateTree } from '../state/tree.ts';
import { orderedRoot } from '../state/trie/root.ts';
import type { ChangeSet } from '../state/view.ts';
import { type BlockFault, type Checked, failed, passed } from './block-error.ts';
import { type ChildDifficulty, childDifficulty, type Millis } from './difficulty.ts';
import { BlockMeta, type ParentBlock, parentBlock } from './meta.ts';
import { type ConsensusRules, MAX_DRIFT_MS, MAX_HOLD_MS } from './rules.ts';
import { checkSeal, type ProvenTicket, reaches } from './seal.ts';

/** Who brought a block: a peer, or this node's own miners. */
export type Origin = { readonly type: 'peer'; readonly peer: string } | { readonly type: 'own' };

/** Bytes, and who sent them. */
export interface ReceivedBlock {
  /** SCALE of the sealed header. */
  readonly header: Bytes;
  readonly opening: Bytes;
  /** With their length prefixes. */
  readonly extrinsics: readonly Bytes[];
  readonly origin: Origin;
  /** What may prove it final, for the gadget to judge once the block is imported. */
  readonly justification?: Bytes | undefined;
}

/** The header means something, and names its author and seal. */
export interface DecodedBlock extends ReceivedBlock {
  readonly hash: Bytes;
  readonly decoded: Header;
  readonly sealed: Sealed;
}

/** The work is real, the body is the header's, and its difficulty and time are right on top of this parent. */
export interface SealedBlock extends DecodedBlock {
  readonly parent: ParentBlock;
  readonly ticket: Bytes;
  readonly timestamp: Millis;
  readonly due: ChildDifficulty;
}

/** The runtime gives the digest and the state root that the header has. */
export interface ExecutedBlock extends SealedBlock {
  readonly changes: ChangeSet;
  readonly tree: StateTree;
}

/** The block stands in the store. */
export interface ImportedBlock extends BlockRef {
  readonly meta: BlockMeta;
}

/** Received -> Decoded. */
export function decodeBlock(received: ReceivedBlock): Checked<DecodedBlock> {
  const header = decodeHeader(received.header);
  if (!header.ok) return header;
  return passed({ ...received, hash: blake2_256(received.header), ...header.value });
}

/** A header and its pow_ items. */
function decodeHeader(bytes: Bytes): Checked<{ readonly decoded: Header; readonly sealed: Sealed }> {
  try {
    const decoded = Header.dec(bytes);
    return passed({ decoded, sealed: readSealed(decoded) });
  } catch (error) {
    // Bytes from outside: both are results of reading them.
    if (error instanceof CodecError) return failed('NotABlock', error.message);
    if (error instanceof PowError) return failed('NotSealed', error.message);
    throw error;
  }
}

/** The parent of a header among our blocks, if it has a place there. */
function checkPlace(store: ChainStore, hash: Bytes, header: Header): Checked<ParentBlock> {
  if (store.number(hash) !== undefined) return failed('AlreadyKnown');
  const number = store.number(header.parentHash);
  if (header.number <= store.settled.number) return failed('BelowFinalized');
  if (number === undefined) return failed('UnknownParent');
  if (number < store.settled.number) return failed('BelowFinalized');
  if (header.number !== number + 1) return failed('WrongNumber', `${header.number} after ${number}`);
  return passed(parentBlock(store, header.parentHash));
}

/**
 * Whether a header with its opening is worth its body: place and seal, against the least difficulty that a child of its
 * parent can have until blocks would not even be held.
 */
export function checkHeader(
  rules: ConsensusRules,
  store: ChainStore,
  now: Millis,
  block: { readonly hash: Bytes; readonly decoded: Header; readonly sealed: Sealed; readonly opening: Bytes },
): Checked<{ readonly parent: ParentBlock; readonly view: StateTree; readonly proven: ProvenTicket }> {
  const place = checkPlace(store, block.hash, block.decoded);
  if (!place.ok) return place;
  const parent = place.value;
  const view = store.view(parent.hash);
  if (view === undefined) return failed('BelowFinalized');
  const horizon = Math.max(now + MAX_DRIFT_MS + MAX_HOLD_MS, parent.timestamp + 1);
  const least = childDifficulty(rules.difficulty, parent, horizon).difficulty;
  const proven = checkSeal(rules, view, block.sealed, block.opening, least);
  if (proven.ok) return passed({ parent, view, proven: proven.value });
  return proven.error.code === 'TargetMissed' ? failed('TooLittleWork') : proven;
}

/**
 * Decoded -> Sealed. The timestamp is checked against the clock by `heldUntil`, since a block ahead of it is not wrong,
 * only early.
 */
export function sealBlock(
  rules: ConsensusRules,
  store: ChainStore,
  now: Millis,
  block: DecodedBlock,
): Checked<SealedBlock> {
  const header = checkHeader(rules, store, now, block);
  if (!header.ok) return header;
  const { parent, proven } = header.value;
  if (!equal(orderedRoot(block.extrinsics), block.decoded.extrinsicsRoot)) return failed('BadExtrinsicsRoot');
  const timestamp = timestampOf(rules, block.extrinsics);
  if (timestamp === undefined) return failed('NoTimestamp');
  if (timestamp > now + MAX_DRIFT_MS + MAX_HOLD_MS) return failed('TimestampTooFar');
  const due = childDifficulty(rules.difficulty, parent, timestamp);
  if (!reaches(proven, due.difficulty)) return failed('TargetMissed', `D ${due.difficulty}`);
  // Times strictly increase, so what is above the parent's is above the median of the last 11 as well.
  if (timestamp <= parent.timestamp) return failed('TimestampTooOld', `${timestamp} after ${parent.timestamp}`);
  return passed({ ...block, parent, ticket: proven.ticket, timestamp, due });
}

/** When a sealed block may be executed: at once, or when the clock is at most 15 s behind it. */
export function heldUntil(block: SealedBlock): Millis {
  return block.timestamp - MAX_DRIFT_MS;
}

/** The runtime's refusals in the table of blocks. A block that came so far has its parent and its extrinsics root. */
const EXECUTION_CODES: Readonly<Record<ExecutionFault, BlockFault>> = {
  WrongParent: 'UnknownParent',
  WrongExtrinsicsRoot: 'BadExtrinsicsRoot',
  MissingInherents: 'BadExecution',
  InvalidExtrinsic: 'BadExecution',
  WrongDigest: 'BadDigest',
  WrongStateRoot: 'BadStateRoot',
};

/** Sealed -> Executed, on the state of the parent. */
export function executeBlock(rules: ConsensusRules, view: StateTree, block: SealedBlock): Checked<ExecutedBlock> {
  const { parent, decoded: header, extrinsics } = block;
  const execution = rules.runtime.execute(view, { header, extrinsics }, parent.info);
  if (!execution.ok) return failed(EXECUTION_CODES[execution.code], execution.detail);
  return passed({ ...block, changes: execution.changes, tree: execution.tree });
}

/** Executed -> Imported: into the store, not yet the best block. */
export function storeBlock(store: ChainStore, block: ExecutedBlock, arrival: bigint): ImportedBlock {
  const { parent, due, hash, decoded } = block;
  const meta: BlockMeta = {
    difficulty: due.difficulty,
    totalDifficulty: parent.meta.totalDifficulty + due.difficulty,
    timestamp: block.timestamp,
    anchor: due.anchor,
    ticket: block.ticket,
    arrival,
  };
  store.append({
    hash,
    number: decoded.number,
    parent: parent.hash,
    header: block.header,
    body: block.extrinsics,
    meta: BlockMeta.enc(meta),
    opening: block.opening,
    changes: block.changes,
    stateRoot: decoded.stateRoot,
    tree: block.tree,
  });
  return { hash, number: decoded.number, meta };
}

/** What a body's first extrinsic, Timestamp.set, says; undefined when it is something else. */
function timestampOf(rules: ConsensusRules, extrinsics: readonly Bytes[]): Millis | undefined {
  const [first] = extrinsics;
  if (first === undefined) return undefined;
  try {
    const { signed, call } = decodeExtrinsic(first);
    const decoded = rules.runtime.Call.dec(call);
    if (signed !== undefined || decoded.type !== 'Timestamp' || decoded.value.type !== 'set') return undefined;
    const { now } = decoded.value.value;
    return typeof now === 'bigint' && now <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(now) : undefined;
  } catch (error) {
    // Bytes from outside: that they are no extrinsic is a result.
    if (error instanceof CodecError || error instanceof ExtrinsicError) return undefined;
    throw error;
  }
}
