/**
 * # Backend: what RPC asks of the node, and nothing more.
 *
 * Always true: RPC reads states through narrow views and writes only by submitting; it never reaches into a machine.
 */
import type { Bytes } from '../base/bytes.ts';
import type { Header } from '../primitives/header.ts';
import type { dutiesFor, Work } from '../runtime/compute-view.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';

export type ChainEvent =
  /** The canonical chain changed; newest retracted first, oldest enacted first. */
  | { readonly type: 'head'; readonly retracted: readonly BlockRef[]; readonly enacted: readonly BlockRef[] }
  | { readonly type: 'imported'; readonly block: BlockRef }
  /** In order, none skipped; `justification` proves the last of them, where voters finalize. */
  | { readonly type: 'finalized'; readonly blocks: readonly BlockRef[]; readonly justification?: Bytes | undefined }
  /** There is a new template to mine. */
  | { readonly type: 'template' };

/** As `author_extrinsicUpdate` says it. */
export type ExtrinsicEvent =
  | { readonly type: 'ready' | 'future' | 'dropped' | 'invalid' }
  | { readonly type: 'broadcast'; readonly peers: readonly string[] }
  | { readonly type: 'inBlock' | 'retracted' | 'finalized' | 'finalityTimeout'; readonly block: Bytes }
  | { readonly type: 'usurped'; readonly by: Bytes };

export interface PeerView {
  readonly peerId: string;
  readonly roles: string;
  readonly bestHash: string;
  readonly bestNumber: number;
}

/** A block to be won: the header lacks the author's item and the seal. */
export interface MiningTemplate {
  readonly id: string;
  readonly header: Header;
  readonly difficulty: bigint;
  readonly boostPpm: number;
  readonly parent: BlockRef;
}

export interface TicketSubmission {
  readonly templateId: string;
  /** Payloads of the two `pow_` digest items, and the encoded opening. */
  readonly preRuntime: Bytes;
  readonly seal: Bytes;
  readonly opening: Bytes;
}

/** How a block was won, for people. */
export interface BlockMeta {
  readonly difficulty: bigint;
  readonly totalDifficulty: bigint;
  readonly timestampMs: number;
  readonly ticket: Bytes | undefined;
}

export interface BlobPort {
  /** Whether the blob is here. */
  has(id: Bytes): boolean;
  /** Length of a blob that is here or was found among the peers. */
  stat(id: Bytes): Promise<{ readonly length: number } | undefined>;
  chunk(id: Bytes, index: number): Promise<Bytes | undefined>;
  /** Adds one chunk of a blob of `length` bytes; throws RpcError when the whole does not hash to its id. */
  putChunk(id: Bytes, length: number, index: number, bytes: Bytes): Promise<void>;
}

/** The keys of this node; each call throws RpcError when the keystore refuses. */
export interface KeyPort {
  /** Keeps the key of a secret URI; refused unless it has this public key. */
  insert(keyType: string, suri: string, publicKey: Bytes): Promise<void>;
  /** Makes a set of session keys; their public keys one after the other. */
  rotate(): Promise<Bytes>;
  /** The same, with the proof that `session.set_keys` wants of the account `owner`. */
  rotateWithOwner(owner: Bytes): Promise<{ readonly keys: Bytes; readonly proof: Bytes }>;
  has(publicKey: Bytes, keyType: string): Promise<boolean>;
  hasSession(keys: Bytes): Promise<boolean>;
}

/** Weight of the votes in a stage of a round, and the keys that have not voted. */
export interface StageState {
  readonly weight: bigint;
  readonly missing: readonly Bytes[];
}

export interface RoundView {
  readonly round: bigint;
  readonly total: bigint;
  readonly threshold: bigint;
  readonly prevotes: StageState;
  readonly precommits: StageState;
}

export interface GrandpaPort {
  /** The open rounds, the current one last; undefined while nobody votes. */
  rounds(): { readonly setId: bigint; readonly rounds: readonly RoundView[] } | undefined;
  /** SCALE of a FinalityProof; undefined where none is kept. RpcError when the height is not final. */
  prove(number: number): Bytes | undefined;
}

export interface Backend {
  readonly chainName: string;
  readonly chainType: string | { readonly Custom: string };
  readonly properties: Readonly<Record<string, string | number>>;
  readonly nodeName: string;
  readonly nodeVersion: string;
  readonly runtime: Runtime;
  readonly store: ChainStore;
  readonly eraBlocks: number;
  finalized(): BlockRef;
  /** Undefined where finality is by depth. */
  readonly grandpa: GrandpaPort | undefined;
  meta(hash: Bytes): BlockMeta | undefined;
  /** Adds an extrinsic to the pool; throws RpcError with an author_* code. */
  submit(extrinsic: Bytes): Promise<Bytes>;
  /** As `submit`; tells `onEvent` what happens to it until `stop` or the last event. */
  submitAndWatch(extrinsic: Bytes, onEvent: (event: ExtrinsicEvent) => void): Promise<{ stop(): void }>;
  pending(): Bytes[];
  nextNonce(account: Bytes): number;
  peers(): PeerView[];
  localPeerId(): string;
  listenAddresses(): string[];
  syncState(): { readonly startingBlock: number; readonly currentBlock: number; readonly highestBlock: number };
  isSyncing(): boolean;
  isAuthority(): boolean;
  addReservedPeer(address: string): Promise<void>;
  removeReservedPeer(peerId: string): Promise<void>;
  /** Returns a function that ends the subscription. */
  onEvent(listener: (event: ChainEvent) => void): () => void;
  /** The newest template, with the boost of `who` on it; there is one while a miner listens. */
  template(who?: Bytes): MiningTemplate | undefined;
  /** A miner listens: templates are built until the returned function is called. */
  addMiner(): () => void;
  submitTicket(ticket: TicketSubmission): Promise<{ readonly hash: Bytes; readonly number: number }>;
  work(account: Bytes): Work;
  duties(account: Bytes): ReturnType<typeof dutiesFor>;
  readonly blobs: BlobPort;
  readonly keys: KeyPort;
}
