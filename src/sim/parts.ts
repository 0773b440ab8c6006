/** # Parts: what a simulated node is made of, and who looks at it. */
import type { Bytes } from '../base/bytes.ts';
import type { Chain, ChainEffect } from '../consensus/chain.ts';
import type { Millis } from '../consensus/difficulty.ts';
import type { Evidence } from '../consensus/evidence.ts';
import type { Finality } from '../consensus/finality/finality.ts';
import type { GrandpaSetup, GrandpaState } from '../consensus/finality/grandpa.ts';
import type { Equivocation } from '../consensus/finality/round.ts';
import type { ReceivedBlock } from '../consensus/import.ts';
import type { Pool } from '../pool/pool.ts';
import type { SlotEquivocation } from '../primitives/slots.ts';
import type { Sync } from '../sync/sync.ts';
import type { Clock } from './clock.ts';
import type { Dice } from './dice.ts';
import type { DiskStore } from './disk.ts';
import type { Network } from './network.ts';
import type { SimNode } from './node.ts';
import type { Trace } from './trace.ts';
import type { Member, World } from './world.ts';

/** Where a crash may be planned. */
export type CrashPoint = 'write' | 'synced' | 'send' | 'sent';

export interface Machines {
  readonly store: DiskStore;
  readonly chain: Chain;
  readonly finality: Gadget;
  readonly pool: Pool;
  readonly sync: Sync;
  readonly evidence: Evidence;
}

/** How a node comes to make blocks. */
export interface Authoring {
  /** A process begins: its machines are there. */
  start(): void;
  /** The head is another one. */
  head(): void;
  /** So many times its usual power, where there is such a thing. */
  setPower(factor: number): void;
}

/** What others see of a node that misbehaves; an honest one has none of it. */
export interface Vice {
  /** What it says to a peer in place of a message of its own; undefined is nothing. */
  says?(node: SimNode, to: number, message: Bytes): Bytes | undefined;
  /** Whether it keeps a block of its own to itself. */
  holds?(node: SimNode, block: ReceivedBlock): boolean;
  /** A block came that others have as well. */
  heard?(node: SimNode): void;
  /** Blocks that it does not admit to have. */
  hides?(node: SimNode, hash: Bytes): boolean;
  /** How much later than others it sends. */
  lagMs?: Millis;
  /** The time that its blocks claim, where it does not say what its clock says. */
  stamps?(node: SimNode, now: Millis): Millis;
  /** Of its usual power. */
  power?(node: SimNode, difficulty: bigint): number;
  /** It seals two blocks in each of its slots. */
  readonly sealsTwice?: boolean;
  /** It accuses others of what they did not do. */
  readonly frames?: boolean;
  /** It starts without the memory of its votes and seals. */
  forgets?: boolean;
}

/** What a node is made of; a planted bug replaces one of them. */
export interface Make {
  finality(setup: GrandpaSetup, node: SimNode): Gadget;
  chain(parts: ConstructorParameters<typeof Chain>[0], node: SimNode): Chain;
  /** Whether what is to be persisted is synced before what follows it is sent. */
  readonly persists: boolean;
  /** What of the records survives that should. */
  reload?(store: DiskStore): void;
}

/** A gadget whose standing the watch reads. */
export interface Gadget extends Finality {
  state?(): GrandpaState | undefined;
}

/** What a simulation hears of a node. */
export interface Observer {
  said(node: SimNode, message: Bytes): void;
  /** It has evidence against somebody, and tells its own pool, where the chain can hear of it. */
  accuses(node: SimNode, proof: Equivocation | SlotEquivocation, extrinsic: Bytes | undefined): void;
  /** What in truth went out, to one or to all. */
  left(message: Bytes): void;
  started(node: SimNode): void;
  /** Its disk is an old one from now on. */
  restored(node: SimNode): void;
  chain(node: SimNode, effect: ChainEffect): void;
  /** A sync ended; `final` is the height that was final when it began. */
  synced(node: SimNode, final: number): void;
  stepped(node: SimNode): void;
  failed(node: SimNode, error: unknown): void;
}

export interface Place {
  readonly index: number;
  readonly member: Member;
  readonly world: World;
  readonly clock: Clock;
  readonly network: Network;
  readonly dice: Dice;
  readonly trace: Trace;
  readonly observer: Observer;
  readonly make: Make;
  readonly others: () => readonly SimNode[];
}
