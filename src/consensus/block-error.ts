/**
 * # BlockError: every way in which a block is not imported, each with its own code.
 *
 * Always true: a code says which check refused, whose fault that is, and what the sender can do; nothing a peer sends
 * throws. `block` faults are those of the header's author, and of whoever builds on him: the hash is remembered.
 * `sender` faults lie in what came beside an honest header. `nobody` is at fault when it is a matter of time and place.
 */
import type { TicketFault } from '../compute/pouw/profile.ts';

export type Blame = 'block' | 'sender' | 'nobody';

export const BLOCK_FAULTS = {
  // Place
  NotABlock: ['the header does not decode', 'encode headers as SCALE', 'sender'],
  NotSealed: [
    'the items of the engine are missing, double, in the wrong place or malformed',
    'append PreRuntime, seal last',
    'block',
  ],
  AlreadyKnown: ['the block is imported already', 'nothing', 'nobody'],
  KnownBad: ['the block was refused before, or stands on one that was', 'follow another branch', 'block'],
  BelowFinalized: ['the block leaves our chain below the last finalized block', 'follow another branch', 'nobody'],
  OtherCheckpoint: ['the chain spec names another block of this height', 'follow the chain of the checkpoint', 'block'],
  UnknownParent: ['the parent is not known here', 'send the parent first', 'nobody'],
  WrongNumber: ['the number is not the parent number plus one', 'number blocks by their parents', 'block'],
  TooManySiblings: ['too many children of one block', 'build on another block', 'nobody'],
  TooManyUnfinalized: ['too many blocks stand above the last final one', 'vote, and send it again', 'nobody'],
  TooManyWaiting: ['too many blocks wait to be imported', 'send it again later', 'nobody'],
  // Params
  UnknownNode: ['the step graph has no mined node of this number', 'mine nodes of the fragment', 'block'],
  NotMinable: ['the node does not fit the profile and has no tickets', 'mine another node', 'block'],
  WrongProfile: ['the profile is not that of the fragment', 'declare the job profile', 'block'],
  WrongShape: ['the declared m, n, k are not those of the node', 'declare the node shape', 'block'],
  // Assignment
  UnknownAuthor: ['the author is not registered', 'register first', 'block'],
  ForeignFragment: ['the fragment is not open for this author', 'mine a fragment assigned to you', 'block'],
  // Order
  StepOutOfRange: ['steps count from 1 to H', 'mine a step of the fragment', 'block'],
  ReusedStep: ['the step and node do not come after the last win of the fragment', 'advance the training', 'block'],
  // Bounds, opening, signature, range, paths
  WrongTile: ['the ticket lies outside the product', 'name a tile and slab of the product', 'block'],
  WrongOpening: ['the opening is not the one that the seal names', 'send the opening of the seal', 'sender'],
  BadSignature: ['the seal is not signed by the author: the ticket is somebody else’s', 'sign your own', 'block'],
  BadOpening: ['the opening is not two panels and two paths', 'encode the opening as the profile says', 'block'],
  OperandOutOfRange: ['an opened operand is not in [-64, 63]', 'quantise as the class says', 'block'],
  BadPathA: ['panel A does not open in root A', 'open the panel of the tile', 'block'],
  BadPathB: ['panel B does not open in root B', 'open the panel of the tile', 'block'],
  // Target; the first is a matter of the clock too, so the hash is not remembered
  TooLittleWork: ['the ticket reaches the difficulty of no block that could come now', 'keep mining', 'sender'],
  TargetMissed: ['the ticket, drawn again, does not reach the difficulty of its block', 'keep mining', 'block'],
  // Slots; the first is a matter of what is known here
  UnknownAuthority: ['no authority of this time sealed it', 'send its parents first', 'nobody'],
  SlotTooOld: ['the slot is not after that of the parent', 'author in a later slot', 'block'],
  WrongTurn: ['the slot is another authority’s', 'author in your own slots', 'block'],
  BadVrf: ['the output is not what the author’s key draws in this slot', 'prove the output', 'block'],
  // Body and time
  WrongSlot: ['the time does not lie in the slot', 'stamp with a time of the slot', 'block'],
  BadExtrinsicsRoot: ['the extrinsics are not those of the header', 'send the body of the header', 'sender'],
  NoTimestamp: ['the first extrinsic does not set the time', 'begin with Timestamp.set', 'block'],
  TimestampTooOld: ['the time is not above that of the parent', 'stamp with the clock', 'block'],
  TimestampTooFar: ['the time is further ahead than blocks are held', 'set the clock right', 'nobody'],
  // Execution
  BadExecution: ['the runtime refuses the block', 'see data', 'block'],
  BadDigest: ['the digest is not what execution gives', 'take the digest from execution', 'block'],
  BadStateRoot: ['the state root is not what execution gives', 'take the root from execution', 'block'],
} as const satisfies Record<string, readonly [sentence: string, remedy: string, blame: Blame]>;

export type BlockFault = keyof typeof BLOCK_FAULTS;

export interface BlockError {
  readonly code: BlockFault;
  /** What was found, where the code does not say it all. */
  readonly data: string | undefined;
}

export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: BlockError };

export const passed = <T>(value: T): Checked<T> => ({ ok: true, value });

export const failed = (code: BlockFault, data?: string): { readonly ok: false; readonly error: BlockError } => ({
  ok: false,
  error: { code, data },
});

export function blameOf(code: BlockFault): Blame {
  return BLOCK_FAULTS[code][2];
}

/** The tickets' own codes in this table. */
export const TICKET_CODES: Readonly<Record<TicketFault, BlockFault>> = {
  UnknownProfile: 'WrongProfile',
  BadShape: 'WrongShape',
  PlaceOutOfBounds: 'WrongTile',
  OpeningHashMismatch: 'WrongOpening',
  OpeningMalformed: 'BadOpening',
  OperandOutOfRange: 'OperandOutOfRange',
  PathAInvalid: 'BadPathA',
  PathBInvalid: 'BadPathB',
  TargetMissed: 'TargetMissed',
};
