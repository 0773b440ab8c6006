/**
 * # Pursuit: one peer's chain, fetched: ancestor, headers from that peer, bodies from everybody.
 *
 * Always true: headers are kept only while they are a chain on top of a block of ours, at most MAX_AHEAD of them;
 * bodies are fetched by hash, so that a wrong one is its sender's fault and never the chain's; blocks are handed on
 * in order, at most MAX_IMPORTING at once, while later ones are still on their way. A liar costs at most 1,024 headers
 * and BUFFER_BYTES of memory: nothing is stored before the import has checked its work.
 */
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import type { BlockData, BlocksRequest, BlocksResponse, PeerId } from './messages.ts';
import { Fields, headerHash, linkOf, MAX_BLOCKS, MAX_RESPONSE_BYTES } from './messages.ts';
import type { SyncFault } from './peers.ts';
import { MAX_OPEN } from './requests.ts';

/** Headers ahead of the import: 1,024 x 0.4 KB as they are, 16 MiB at the worst. */
export const MAX_AHEAD = 1_024;
/** Blocks whose bodies are asked for ahead of the import. */
export const BODY_WINDOW = 256;
/** Bodies and openings held; beyond this only what the import waits for is asked. */
const BUFFER_BYTES = 32 * 1024 * 1024;
/** Blocks given to the import and not yet answered. */
export const MAX_IMPORTING = 64;
/** Bodies of one request: two requests of four peers fill the window. A stream costs as much as importing a block. */
const BODIES_PER_REQUEST = 32;
const MAX_TRIES = 4;

export type PursuitPurpose =
  | { readonly kind: 'probe' | 'checkpoint'; readonly number: number }
  | { readonly kind: 'headers'; readonly asked: number }
  | BodiesPurpose;

interface BodiesPurpose {
  readonly kind: 'bodies';
  /** Height of the first, and how many above it. */
  readonly first: number;
  readonly count: number;
}

/** What the pursuit wants asked; the machine opens the request and may have to drop the wish. */
export interface Wish {
  readonly peer: PeerId;
  readonly purpose: PursuitPurpose;
  readonly ask: BlocksRequest;
}

/** A block as it came from the network: nothing of it is checked but its place in a chain of headers. */
export interface DownloadedBlock {
  readonly hash: Bytes;
  readonly header: Bytes;
  readonly opening: Bytes;
  readonly extrinsics: readonly Bytes[];
  readonly justification?: Bytes | undefined;
  /** Who sent the body. */
  readonly from: PeerId;
}

/**
 * Whose fault a refused block is: of its header's author and whoever builds on him, of the sender of its body, or of
 * nobody. In the words of consensus/block-error.ts: two rooms of one floor do not see each other.
 */
export type Blame = 'block' | 'sender' | 'nobody';

/** What sync sees of our own chain. */
export interface ChainView {
  best(): { readonly number: number; readonly hash: Bytes; readonly totalDifficulty: bigint };
  finalized(): { readonly number: number; readonly hash: Bytes };
  /** Our best chain's hash at this height. */
  hashAt(number: number): Bytes | undefined;
  /** Whether this block is imported, on whatever branch. */
  knows(hash: Bytes): boolean;
}

/** A block that is known to be of our chain. */
export interface Checkpoint {
  readonly number: number;
  readonly hash: Bytes;
}

/** A peer that may be asked for bodies. */
export interface Source {
  readonly id: PeerId;
  readonly bestNumber: number;
  readonly open: number;
}

/** How a pursuit ends: all imported; given up; or the lead's chain holds an invalid block. */
export type Ending = 'done' | 'lost' | 'bad';

interface Slot {
  readonly number: number;
  readonly hash: Bytes;
  readonly key: string;
  readonly header: Bytes;
  stage: 'wanted' | 'asked' | 'held' | 'importing' | 'imported';
  block: DownloadedBlock | undefined;
  bytes: number;
  tries: number;
  /** Peers that did not have it, or sent something else: at most one entry a peer. */
  readonly without: Set<PeerId>;
}

export class Pursuit {
  readonly lead: PeerId;
  ending: Ending | undefined;
  /** The last header of the chain that we hold or have. */
  private tip: { readonly number: number; readonly hash: Bytes } | undefined;
  private readonly view: ChainView;
  /** What the lead has to show first; undefined once it did, and where we have that block. */
  private checkpoint: Checkpoint | undefined;
  private targetNumber: number;
  private probe: { readonly number: number; readonly back: number };
  private leadAsked = false;
  /** Requests to the lead in a row that were not answered. */
  private leadFailures = 0;
  private readonly slots: Slot[] = [];
  private buffered = 0;

  constructor(view: ChainView, lead: PeerId, targetNumber: number, checkpoint?: Checkpoint) {
    this.view = view;
    // The import holds to it, so that a best chain which is as high has it.
    this.checkpoint = checkpoint !== undefined && view.best().number < checkpoint.number ? checkpoint : undefined;
    this.lead = lead;
    this.targetNumber = targetNumber;
    this.probe = { number: Math.min(view.best().number, targetNumber), back: 1 };
  }

  get target(): number {
    return this.targetNumber;
  }

  /** The lead has got further. */
  extend(targetNumber: number): void {
    this.targetNumber = Math.max(this.targetNumber, targetNumber);
  }

  /** What to ask next, of whom. */
  wishes(sources: readonly Source[]): Wish[] {
    const out: Wish[] = [];
    if (!this.leadAsked) {
      const wish =
        this.checkpoint !== undefined
          ? this.headerWish('checkpoint', this.checkpoint.number)
          : this.tip === undefined
            ? this.headerWish('probe', this.probe.number)
            : this.headersWish(this.tip.number);
      if (wish !== undefined) out.push(wish);
    }
    out.push(...this.bodyWishes(sources));
    return out;
  }

  /** The wish was sent. */
  asked(purpose: PursuitPurpose): void {
    if (purpose.kind !== 'bodies') this.leadAsked = true;
    else for (const slot of this.range(purpose)) slot.stage = 'asked';
  }

  /** The request failed or its time is over: others are asked for its bodies, the lead a few times again. */
  lost(purpose: PursuitPurpose): void {
    if (purpose.kind === 'bodies') {
      for (const slot of this.range(purpose)) if (slot.stage === 'asked') slot.stage = 'wanted';
      return;
    }
    this.leadAsked = false;
    this.leadFailures++;
    if (this.leadFailures >= MAX_TRIES) this.ending ??= 'lost';
  }

  /** An answer; the fault, if any, is the answering peer's. */
  answered(peer: PeerId, purpose: PursuitPurpose, blocks: BlocksResponse): SyncFault | undefined {
    if (purpose.kind === 'bodies') return this.bodies(peer, purpose, blocks);
    this.leadAsked = false;
    this.leadFailures = 0;
    const fault = this.leadAnswered(purpose, blocks);
    if (fault !== undefined && fault !== 'ShortAnswers') this.ending = 'lost';
    this.finish();
    return fault;
  }

  /** Whether nothing can go on: no block is under way or in the import, and no source has what is wanted. */
  isStuck(sources: readonly Source[]): boolean {
    if (this.leadAsked || this.slots[0]?.stage === 'held') return false;
    if (this.slots.some((slot) => slot.stage === 'asked' || slot.stage === 'importing')) return false;
    return this.wishes(sources.map((source) => ({ ...source, open: 0 }))).length === 0;
  }

  /** Blocks to import now, in order. */
  ready(): DownloadedBlock[] {
    const out: DownloadedBlock[] = [];
    for (let i = 0; i < this.slots.length && i < MAX_IMPORTING; i++) {
      const slot = this.slots[i] as Slot;
      if (slot.stage === 'wanted' || slot.stage === 'asked') break;
      if (slot.stage !== 'held' || slot.block === undefined) continue;
      slot.stage = 'importing';
      slot.tries++;
      out.push(slot.block);
    }
    return out;
  }

  imported(key: string): void {
    const slot = this.slots.find((one) => one.key === key);
    if (slot === undefined) return;
    this.release(slot);
    slot.stage = 'imported';
    while (this.slots[0]?.stage === 'imported') this.slots.shift();
    this.finish();
  }

  /** The import refused a block; who sent it, when the fault is in what was sent for this header. */
  refused(key: string, blame: Blame): PeerId | undefined {
    const slot = this.slots.find((one) => one.key === key);
    if (slot === undefined || slot.block === undefined) return undefined;
    if (blame === 'block') {
      this.ending = 'bad';
      return undefined;
    }
    if (slot.tries >= MAX_TRIES) this.ending = 'lost';
    if (blame === 'nobody') {
      slot.stage = 'held';
      return undefined;
    }
    const { from } = slot.block;
    this.release(slot);
    slot.stage = 'wanted';
    slot.without.add(from);
    return from;
  }

  private leadAnswered(purpose: Exclude<PursuitPurpose, BodiesPurpose>, blocks: BlocksResponse): SyncFault | undefined {
    switch (purpose.kind) {
      case 'checkpoint':
        return this.shown(blocks);
      case 'probe':
        return this.probed(purpose.number, blocks);
      case 'headers':
        return this.headers(purpose.asked, blocks);
    }
  }

  /** One header beyond doubt: a chain that has it has all below it. */
  private shown(blocks: BlocksResponse): SyncFault | undefined {
    const header = blocks[0]?.header;
    const isThere =
      header !== undefined && this.checkpoint !== undefined && equal(headerHash(header), this.checkpoint.hash);
    this.checkpoint = undefined;
    if (isThere) return undefined;
    this.ending = 'lost';
    // A peer that began with a later block does not have it.
    return header === undefined ? undefined : 'OtherCheckpoint';
  }

  private headerWish(kind: 'probe' | 'checkpoint', number: number): Wish {
    return {
      peer: this.lead,
      purpose: { kind, number },
      ask: { fields: Fields.header, from: { type: 'Number', value: number }, descending: false, max: 1 },
    };
  }

  /** One header back, then two, four, ...: 20 questions reach a million blocks back; never below what is finalized. */
  private probed(number: number, blocks: BlocksResponse): SyncFault | undefined {
    const header = blocks[0]?.header;
    const ours = this.view.hashAt(number);
    if (header !== undefined && ours !== undefined && equal(headerHash(header), ours)) {
      this.tip = { number, hash: ours };
      return undefined;
    }
    const finalized = this.view.finalized().number;
    if (number <= finalized) {
      this.ending = 'lost';
      return header === undefined ? undefined : 'OtherFinality';
    }
    this.probe = { number: Math.max(finalized, number - this.probe.back), back: this.probe.back * 2 };
    return undefined;
  }

  private headersWish(above: number): Wish | undefined {
    const asked = Math.min(MAX_BLOCKS, this.targetNumber - above, MAX_AHEAD - this.slots.length);
    if (asked <= 0) return undefined;
    return {
      peer: this.lead,
      purpose: { kind: 'headers', asked },
      ask: { fields: Fields.header, from: { type: 'Number', value: above + 1 }, descending: false, max: asked },
    };
  }

  private headers(asked: number, blocks: BlocksResponse): SyncFault | undefined {
    if (blocks.length > asked) return 'NotAsked';
    for (const [i, data] of blocks.entries()) {
      const link = data.header === undefined ? undefined : linkOf(data.header);
      if (data.header === undefined || link === undefined) return 'BrokenHeaders';
      const above = this.tip as { readonly number: number; readonly hash: Bytes };
      if (link.number !== above.number + 1 || !equal(link.parent, above.hash)) {
        if (i > 0) return 'BrokenHeaders';
        // The lead moved to another branch between two answers: begin again from the common ancestor.
        this.ending = 'lost';
        return undefined;
      }
      this.push(link.number, data.header);
    }
    if (blocks.length === 0) this.ending = 'lost';
    return blocks.length < asked && blocks.length > 0 && !isFull(blocks) ? 'ShortAnswers' : undefined;
  }

  private push(number: number, header: Bytes): void {
    const hash = headerHash(header);
    this.tip = { number, hash };
    if (this.slots.length === 0 && this.view.knows(hash)) return;
    this.slots.push({
      number,
      hash,
      key: toHex(hash),
      header,
      stage: this.view.knows(hash) ? 'imported' : 'wanted',
      block: undefined,
      bytes: 0,
      tries: 0,
      without: new Set(),
    });
  }

  private bodyWishes(sources: readonly Source[]): Wish[] {
    const out: Wish[] = [];
    const open = new Map(sources.map((source) => [source.id, source.open]));
    const window = this.slots.slice(0, this.buffered > BUFFER_BYTES ? 1 : BODY_WINDOW);
    for (let i = 0; i < window.length; ) {
      const slot = window[i] as Slot;
      if (slot.stage !== 'wanted') {
        i++;
        continue;
      }
      const source = leastBusy(sources, open, slot);
      if (source === undefined) {
        i++;
        continue;
      }
      let count = 1;
      while (count < BODIES_PER_REQUEST && canAsk(window[i + count], source)) count++;
      open.set(source.id, (open.get(source.id) ?? 0) + 1);
      out.push({
        peer: source.id,
        purpose: { kind: 'bodies', first: slot.number, count },
        ask: {
          fields: Fields.body | Fields.opening | Fields.justification,
          from: { type: 'Hash', value: slot.hash },
          descending: false,
          max: count,
        },
      });
      i += count;
    }
    return out;
  }

  /** Takes what fits the headers; what is missing goes to another peer, so a peer on another branch is not at fault. */
  private bodies(peer: PeerId, purpose: BodiesPurpose, blocks: BlocksResponse): SyncFault | undefined {
    if (blocks.length > purpose.count) {
      this.lost(purpose);
      return 'NotAsked';
    }
    const slots = this.range(purpose);
    let taken = 0;
    for (const [i, data] of blocks.entries()) {
      const slot = slots[i];
      if (slot === undefined || !equal(data.hash, slot.hash) || !this.take(peer, slot, data)) break;
      taken++;
    }
    for (const [i, slot] of slots.entries()) {
      if (slot.stage !== 'asked') continue;
      slot.stage = 'wanted';
      // The rest of a cut answer is asked again of the same peer; a block it could not give is not.
      if (i === taken && !(taken > 0 && isFull(blocks))) slot.without.add(peer);
    }
    return undefined;
  }

  private take(peer: PeerId, slot: Slot, data: BlockData): boolean {
    if (slot.stage !== 'asked') return true;
    if (data.body === undefined || data.opening === undefined) return false;
    const { opening, body: extrinsics, justification } = data;
    slot.block = { hash: slot.hash, header: slot.header, opening, extrinsics, justification, from: peer };
    slot.bytes = extrinsics.reduce((sum, extrinsic) => sum + extrinsic.length, opening.length);
    slot.bytes += justification?.length ?? 0;
    this.buffered += slot.bytes;
    slot.stage = 'held';
    return true;
  }

  private release(slot: Slot): void {
    this.buffered -= slot.bytes;
    slot.bytes = 0;
    slot.block = undefined;
  }

  private range(purpose: BodiesPurpose): Slot[] {
    return this.slots.filter((slot) => slot.number >= purpose.first && slot.number < purpose.first + purpose.count);
  }

  private finish(): void {
    if (this.tip === undefined || this.slots.length > 0 || this.leadAsked) return;
    if (this.tip.number >= this.targetNumber) this.ending ??= 'done';
  }
}

/** Whether an answer was cut because it is large: then it says nothing about what its sender has. */
function isFull(blocks: BlocksResponse): boolean {
  let bytes = 0;
  for (const data of blocks) {
    bytes += (data.header?.length ?? 0) + (data.opening?.length ?? 0) + (data.justification?.length ?? 0);
    for (const extrinsic of data.body ?? []) bytes += extrinsic.length;
  }
  return bytes * 8 > MAX_RESPONSE_BYTES;
}

function canAsk(slot: Slot | undefined, source: Source): slot is Slot {
  return slot?.stage === 'wanted' && source.bestNumber >= slot.number && !slot.without.has(source.id);
}

function leastBusy(sources: readonly Source[], open: ReadonlyMap<PeerId, number>, slot: Slot): Source | undefined {
  let best: Source | undefined;
  let bestOpen = MAX_OPEN;
  for (const source of sources) {
    const count = open.get(source.id) ?? 0;
    if (count >= bestOpen || !canAsk(slot, source)) continue;
    best = source;
    bestOpen = count;
  }
  return best;
}
