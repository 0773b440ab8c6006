/**
 * # Import: how a block that came from somewhere becomes one of ours.
 *
 * Always true: a block is Received, Decoded, Checked, Executed and Imported, in this order and by these functions only;
 * each type holds what the steps before it proved. D is computed from the parent, never taken from the block. Nothing
 * a peer sent throws: every failing check has its own code (block-error.ts). One caller leaves the line: `check-block`
 * (node/offline.ts) looks at a stored block again, which has its place and its body already, and imports nothing.
 */
import { type Bytes, equal } from '../base/bytes.ts';
import { finish, type Work } from '../base/work.ts';
import { CodecError } from '../codec/index.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { decodeExtrinsic, ExtrinsicError } from '../primitives/extrinsic.ts';
import { Header } from '../primitives/header.ts';
import { PowError, readSealed, type Sealed } from '../primitives/pow.ts';
import { readSlotSealed, SlotError, type SlotSealed } from '../primitives/slots.ts';
import type { BlockFault as ExecutionFault } from '../runtime/runtime.ts';
import { slotAt } from '../runtime/slots.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import type { StateTree } from '../state/tree.ts';
import { orderedRootWork } from '../state/trie/root.ts';
import type { ChangeSet } from '../state/view.ts';
import { type BlockFault, type Checked, failed, passed } from './block-error.ts';
import { type Anchor, childDifficulty, lowerBound, type Millis } from './difficulty.ts';
import { BlockMeta, type ParentBlock, parentBlock } from './meta.ts';
import { type ConsensusRules, MAX_DRIFT_MS, MAX_HOLD_MS } from './rules.ts';
import { checkSeal, checkWork, reaches } from './seal.ts';
import { checkStranger, checkTurn } from './slot-seal.ts';

/** Who brought a block: a peer, or this node's own miners, for whom it may have been executed when it was built. */
export type Origin =
  | { readonly type: 'peer'; readonly peer: string }
  | { readonly type: 'own'; readonly execution?: Execution };

/** What a block changed, and the state after it. */
export interface Execution {
  readonly changes: ChangeSet;
  readonly tree: StateTree;
}

/** An orphan must show 2^-6 of the least work that could follow the best block: other branches may be easier. */
const ORPHAN_WORK_SHIFT = 6n;

/** Bytes, and who sent them. */
export interface ReceivedBlock {
  /** SCALE of the sealed header. */
  readonly header: Bytes;
  /** Of a seal by work; empty in a chain of slots. */
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
  readonly sealed: Sealed | SlotSealed;
}

/** What a block counts in fork choice, and what its children are measured from. */
export interface Due {
  readonly difficulty: bigint;
  /** Undefined in a chain of slots. */
  readonly anchor: Anchor | undefined;
}

/** A header with its opening that is worth its body. */
export interface ProvenHeader {
  readonly parent: ParentBlock;
  /** The state of the parent. */
  readonly view: StateTree;
  /** What the seal drew: it extends the beacon and decides between blocks that came together. */
  readonly ticket: Bytes;
  /** What the time in the body makes of it. */
  due(timestamp: Millis): Checked<Due>;
}

/** The seal is right, the body is the header's, and its difficulty and time are right on top of this parent. */
export interface CheckedBlock extends DecodedBlock {
  readonly parent: ParentBlock;
  readonly ticket: Bytes;
  readonly timestamp: Millis;
  readonly due: Due;
}

/** The runtime gives the digest and the state root that the header has. */
export interface ExecutedBlock extends CheckedBlock, Execution {}

/** The block stands in the store. */
export interface ImportedBlock extends BlockRef {
  readonly meta: BlockMeta;
}

/** Received -> Decoded. */
export function decodeBlock(rules: ConsensusRules, received: ReceivedBlock): Checked<DecodedBlock> {
  const header = decodeHeader(rules, received.header);
  if (!header.ok) return header;
  return passed({ ...received, hash: blake2_256(received.header), ...header.value });
}

/** A header and the items of the chain's engine. */
function decodeHeader(rules: ConsensusRules, bytes: Bytes): Checked<Pick<DecodedBlock, 'decoded' | 'sealed'>> {
  try {
    const decoded = Header.dec(bytes);
    return passed({ decoded, sealed: rules.slots ? readSlotSealed(decoded) : readSealed(decoded) });
  } catch (error) {
    // Bytes from outside: both are results of reading them.
    if (error instanceof CodecError) return failed('NotABlock', error.message);
    if (error instanceof PowError || error instanceof SlotError) return failed('NotSealed', error.message);
    throw error;
  }
}

/** The parent of a header among our blocks, if it has a place there. */
function checkPlace(rules: ConsensusRules, store: ChainStore, hash: Bytes, header: Header): Checked<ParentBlock> {
  if (store.number(hash) !== undefined) return failed('AlreadyKnown');
  const { checkpoint } = rules;
  if (checkpoint?.number === header.number && !equal(checkpoint.hash, hash)) return failed('OtherCheckpoint');
  const number = store.number(header.parentHash);
  if (header.number <= store.settled.number) return failed('BelowFinalized');
  if (number === undefined) return failed('UnknownParent');
  if (number < store.settled.number) return failed('BelowFinalized');
  if (header.number !== number + 1) return failed('WrongNumber', `${header.number} after ${number}`);
  return passed(parentBlock(store, header.parentHash));
}

/** What of a block is judged before its body is there. */
export type HeaderPart = Pick<DecodedBlock, 'hash' | 'decoded' | 'sealed' | 'opening'>;

/**
 * Whether a header with its opening is worth its body: place and seal. `proven`: what this said before of the same
 * header and opening; a seal that held then holds now, so that only its place is looked at again.
 */
export function checkHeader(
  rules: ConsensusRules,
  store: ChainStore,
  now: Millis,
  block: HeaderPart,
  proven?: ProvenHeader,
): Checked<ProvenHeader> {
  const place = checkPlace(rules, store, block.hash, block.decoded);
  if (!place.ok) return place;
  if (proven !== undefined) return passed(proven);
  const parent = place.value;
  const view = store.view(parent.hash);
  if (view === undefined) return failed('BelowFinalized');
  return checkSealOf(rules, { parent, view, now }, block);
}

/**
 * The seal of a header on top of its parent. Work is measured against the least difficulty that a child of the parent
 * can have until blocks would not even be held; its own needs the time in the body.
 */
export function checkSealOf(
  rules: ConsensusRules,
  at: { readonly parent: ParentBlock; readonly view: StateTree; readonly now: Millis },
  { sealed, opening }: Pick<HeaderPart, 'sealed' | 'opening'>,
): Checked<ProvenHeader> {
  const { parent, view, now } = at;
  // A turn at authoring: whose it is follows from the parent's state, and every block counts the same.
  if (isTurn(sealed)) {
    if (rules.slots === undefined) return failed('NotSealed');
    if (opening.length > 0) return failed('WrongOpening');
    const turn = checkTurn(rules, rules.slots, sealed, at);
    if (!turn.ok) return turn;
    const { blockTimeMs } = rules.difficulty;
    const due = (timestamp: Millis): Checked<Due> =>
      slotAt(timestamp, blockTimeMs) === sealed.slot ? passed(SLOT_DUE) : failed('WrongSlot', `slot ${sealed.slot}`);
    return passed({ parent, view, ticket: sealed.output, due });
  }
  // Work.
  const horizon = Math.max(now + MAX_DRIFT_MS + MAX_HOLD_MS, parent.timestamp + 1);
  const least = childDifficulty(rules.difficulty, parent, horizon).difficulty;
  const proven = checkSeal(rules, view, sealed, opening, least);
  if (!proven.ok) return proven.error.code === 'TargetMissed' ? failed('TooLittleWork') : proven;
  const due = (timestamp: Millis): Checked<Due> => {
    const child = childDifficulty(rules.difficulty, parent, timestamp);
    return reaches(proven.value, child.difficulty) ? passed(child) : failed('TargetMissed', `D ${child.difficulty}`);
  };
  return passed({ parent, view, ticket: proven.value.ticket, due });
}

/** Every block of a turn: the longest chain wins. */
const SLOT_DUE: Due = { difficulty: 1n, anchor: undefined };

function isTurn(sealed: Sealed | SlotSealed): sealed is SlotSealed {
  return 'slot' in sealed;
}

/** The turn in which a block was made; undefined where blocks are won by work. */
export function turnOf({ sealed }: Pick<DecodedBlock, 'sealed'>): SlotSealed | undefined {
  return isTurn(sealed) ? sealed : undefined;
}

/** Whether a block without a known parent may wait for it; `head` is the best block, whose state is known. */
export function checkOrphan(
  rules: ConsensusRules,
  at: { readonly head: ParentBlock; readonly view: StateTree; readonly now: Millis },
  { sealed, opening }: Pick<HeaderPart, 'sealed' | 'opening'>,
): Checked<unknown> {
  if (isTurn(sealed)) {
    if (rules.slots === undefined) return failed('NotSealed');
    return opening.length > 0 ? failed('WrongOpening') : checkStranger(rules, rules.slots, sealed, at);
  }
  const least = lowerBound(rules.difficulty, at.head, at.now + MAX_DRIFT_MS + MAX_HOLD_MS) >> ORPHAN_WORK_SHIFT;
  const work = checkWork(rules, sealed, opening, least);
  return !work.ok && work.error.code === 'TargetMissed' ? failed('TooLittleWork', work.error.data) : work;
}

/**
 * Decoded -> Checked, in pieces. The timestamp is held against the clock by `heldUntil`, since a block ahead of it is
 * not wrong, only early.
 */
export function* checkingBlock(
  rules: ConsensusRules,
  store: ChainStore,
  now: Millis,
  block: DecodedBlock,
  proven?: ProvenHeader,
): Work<Checked<CheckedBlock>> {
  const header = checkHeader(rules, store, now, block, proven);
  if (!header.ok) return header;
  const { parent, ticket } = header.value;
  yield;
  const root = yield* orderedRootWork(block.extrinsics);
  if (!equal(root, block.decoded.extrinsicsRoot)) return failed('BadExtrinsicsRoot');
  const timestamp = timestampOf(rules, block.extrinsics);
  if (timestamp === undefined) return failed('NoTimestamp');
  if (timestamp > now + MAX_DRIFT_MS + MAX_HOLD_MS) return failed('TimestampTooFar');
  const due = header.value.due(timestamp);
  if (!due.ok) return due;
  // Times strictly increase, so what is above the parent's is above the median of the last 11 as well.
  if (timestamp <= parent.timestamp) return failed('TimestampTooOld', `${timestamp} after ${parent.timestamp}`);
  return passed({ ...block, parent, ticket, timestamp, due: due.value });
}

/**
 * When a checked block may be executed: at once, or when the clock is at most 15 s behind it. One of a turn when its
 * slot is a quarter of a slot away: else who has a turn might take it before those whose turns come first, and end
 * theirs.
 */
export function heldUntil({ slots, difficulty }: ConsensusRules, { timestamp }: CheckedBlock): Millis {
  const { blockTimeMs } = difficulty;
  if (slots === undefined) return timestamp - MAX_DRIFT_MS;
  return slotAt(timestamp, blockTimeMs) * blockTimeMs - Math.min(MAX_DRIFT_MS, Math.floor(blockTimeMs / 4));
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

/** Checked -> Executed, on the state of the parent. */
export function executeBlock(rules: ConsensusRules, view: StateTree, block: CheckedBlock): Checked<ExecutedBlock> {
  return finish(executingBlock(rules, view, block));
}

/** `executeBlock` in pieces. */
export function* executingBlock(
  rules: ConsensusRules,
  view: StateTree,
  block: CheckedBlock,
): Work<Checked<ExecutedBlock>> {
  const { parent, decoded: header, extrinsics, origin } = block;
  const own = origin.type === 'own' ? origin.execution : undefined;
  // Built here, on this state: Substrate's authors import what their proposer changed in the same way.
  if (own?.tree.follows(view.root, own.changes) && equal(own.tree.root, header.stateRoot)) {
    return passed({ ...block, changes: own.changes, tree: own.tree });
  }
  const execution = yield* rules.runtime.executing(view, { header, extrinsics }, parent.info);
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
