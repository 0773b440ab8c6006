/**
 * # Slots chain: a chain of engine `slots` with the whole runtime, made fast, for tests and benches.
 *
 * Every block is what a node would make and take: right author, VRF, seal, state. It is executed once, by its builder,
 * and goes into a store in memory without being checked again; whoever wants it checked hands it to a node. Who spends
 * has ed25519 keys, whose signatures cost least. With `installFastPaths` before it, and a transfer in each block, it
 * makes 140 blocks in a second of a core (a third of it VRFs), and a node checks and imports 160; without, 40 and 50.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { type Origin, type ReceivedBlock, storeBlock } from '../../src/consensus/import.ts';
import { parentBlock } from '../../src/consensus/meta.ts';
import type { SlotRules } from '../../src/consensus/rules.ts';
import type { Keypair } from '../../src/crypto/keypair.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import type { VrfSignature } from '../../src/crypto/vrf.ts';
import { type ChainSpec, parseChainSpec } from '../../src/node/chain-spec.ts';
import { type ChainRules, chainRules } from '../../src/node/rules.ts';
import { signExtrinsic } from '../../src/primitives/extrinsic.ts';
import { Header, headerHash } from '../../src/primitives/header.ts';
import {
  readSlotSealed,
  type SlotPreRuntime,
  slotItem,
  slotPreHash,
  slotSealMessage,
  slotVrfMessage,
  withSlotSeal,
} from '../../src/primitives/slots.ts';
import type { BlockBuilder } from '../../src/runtime/runtime.ts';
import { authorOf, slotAt } from '../../src/runtime/slots.ts';
import { MemoryStore } from '../../src/state/level/memory-store.ts';
import type { DurableStore } from '../../src/state/store.ts';

const DEV = join(import.meta.dirname, '../../genesis/dev.json');
/** Authors, as `--alice` and her siblings are, in the order of the genesis. */
export const NAMES: readonly string[] = ['Alice', 'Bob', 'Charlie', 'Dave'];
/** In the slot before the first block. */
export const START = 1_700_000_000_000;
const UNIT = 1_000_000_000_000n;
export const PEER: Origin = { type: 'peer', peer: 'peer' };

export interface SpecChanges {
  readonly names?: readonly string[];
  readonly blockTimeMs?: number;
  readonly epochSlots?: number;
  readonly finalityDepth?: number;
}

/** An author: his account, his authoring key, and a purse to spend from. */
export class Validator {
  readonly name: string;
  readonly account: Bytes;
  readonly key: Keypair;
  readonly purse: Keypair;

  constructor(name: string) {
    this.name = name;
    this.account = keypairFromSuri(`//${name}//stash`, 'sr25519').accountId;
    this.key = keypairFromSuri(`//${name}//authoring`, 'sr25519');
    this.purse = keypairFromSuri(`//${name}`, 'ed25519');
  }
}

/** The dev preset with engine `slots`, without jobs, and these authors. */
export function slotsSpec(changes: SpecChanges = {}): ChainSpec {
  const { names = NAMES, blockTimeMs = 3_000, epochSlots = 20, finalityDepth = 8 } = changes;
  const dev = JSON.parse(readFileSync(DEV, 'utf8'));
  const validators = names.map((name) => new Validator(name));
  const { balances, rewards } = dev.genesis.runtimeGenesis.patch;
  const purses = validators.map(({ purse }) => [ss58Encode(purse.accountId, 42), String(10_000n * UNIT)]);
  const authorities = validators.map(({ account, key }) => [ss58Encode(account, 42), toHex(key.publicKey)]);
  const patch = {
    balances: { balances: [...balances.balances, ...purses] },
    computePow: { authors: [] },
    jobs: { publicJobs: [], checkers: [] },
    rewards,
    slots: { authorities },
  };
  const consensus = { ...dev.consensus, authoring: 'slots', blockTimeMs, epochSlots, finalityDepth };
  const spec = { ...dev, id: 'slots', consensus, genesis: { runtimeGenesis: { patch } } };
  return parseChainSpec(JSON.stringify(spec), 'dev with slots');
}

export interface SlotBlockOptions {
  /** The slot after the parent's, if it says nothing. */
  readonly slot?: number;
  /** The middle of the slot, if it says nothing. */
  readonly timestamp?: number;
  readonly extrinsics?: readonly Bytes[];
  readonly origin?: Origin;
  /** Who makes it, whoever's turn it is. */
  readonly author?: Validator;
  /** Whose key seals, and whose draws. */
  readonly sealer?: Keypair;
  readonly drawn?: VrfSignature;
  /** Changes the header before it is sealed. */
  readonly header?: (header: Header) => Header;
  /** Changes the body after the header was made. */
  readonly body?: (extrinsics: readonly Bytes[]) => readonly Bytes[];
}

export interface SlotBlock extends ReceivedBlock {
  readonly hash: Bytes;
  readonly decoded: Header;
  readonly slot: number;
  readonly timestamp: number;
  readonly built: ReturnType<BlockBuilder['finish']>;
}

/** A chain of slots, and all keys of its authors. */
export class SlotsChain {
  readonly spec: ChainSpec;
  readonly rules: ChainRules;
  readonly slots: SlotRules;
  readonly validators: readonly Validator[];
  readonly store: DurableStore;
  private arrivals = 0n;
  private readonly nonces = new Map<string, number>();

  constructor(spec: ChainSpec = slotsSpec(), names: readonly string[] = NAMES) {
    this.spec = spec;
    this.rules = chainRules(spec, () => {});
    const { slots } = this.rules.consensus;
    assert.ok(slots !== undefined);
    this.slots = slots;
    this.validators = names.map((name) => new Validator(name));
    this.store = this.newStore();
  }

  /** A store that holds block 0 alone. */
  newStore(): MemoryStore {
    return MemoryStore.create(this.rules.genesis, 'archive');
  }

  get blockTimeMs(): number {
    return this.spec.consensus.blockTimeMs;
  }

  slotOf(timestampMs: number): number {
    return slotAt(timestampMs, this.blockTimeMs);
  }

  /** Whose turn a slot is, on top of a block. */
  authorOf(slot: number, parent: Bytes = this.store.best.hash, store = this.store): Validator {
    const view = store.view(parent);
    assert.ok(view !== undefined);
    const author = authorOf(this.slots.epoch(view, slot), slot);
    const known = this.validators.find(({ account }) => author && toHex(account) === toHex(author.account));
    assert.ok(known !== undefined);
    return known;
  }

  /** A block on top of a stored one, not kept. */
  make(options: SlotBlockOptions = {}, parentHash: Bytes = this.store.best.hash, store = this.store): SlotBlock {
    const parent = parentBlock(store, parentHash);
    const view = store.view(parentHash);
    assert.ok(view !== undefined);
    const slot = options.slot ?? this.slotOf(Math.max(parent.timestamp, START)) + 1;
    const timestamp = options.timestamp ?? slot * this.blockTimeMs + Math.floor(this.blockTimeMs / 2);
    const author = options.author ?? this.authorOf(slot, parentHash, store);
    const drawn = options.drawn ?? draw(author.key, slotVrfMessage(this.slots.epoch(view, slot).randomness, slot));
    const preRuntime: SlotPreRuntime = { author: author.account, slot, ...drawn };
    const preDigest = [slotItem(preRuntime)];
    const builder = this.rules.runtime.builder(view, parent.info, BigInt(timestamp), { preDigest });
    for (const extrinsic of options.extrinsics ?? []) assert.ok(builder.apply(extrinsic).applied);
    const built = builder.finish();
    const header = options.header?.(built.header) ?? built.header;
    const decoded = sealed(header, options.sealer ?? author.key, this.slots.genesis);
    return {
      header: Header.enc(decoded),
      opening: new Uint8Array(0),
      extrinsics: options.body?.(built.extrinsics) ?? built.extrinsics,
      origin: options.origin ?? PEER,
      hash: headerHash(decoded),
      decoded,
      slot,
      timestamp,
      built,
    };
  }

  /** Keeps a block that `make` made on top of the best one, as the new best one, unchecked; settles as nodes do. */
  keep(block: SlotBlock): void {
    const { store } = this;
    const parent = parentBlock(store, block.decoded.parentHash);
    const sealedAs = readSlotSealed(block.decoded);
    const { changes, tree } = block.built;
    const due = { difficulty: 1n, anchor: undefined };
    const { timestamp } = block;
    const whole = { ...block, sealed: sealedAs, parent, ticket: sealedAs.output, timestamp, due, changes, tree };
    storeBlock(store, whole, ++this.arrivals);
    store.setBest(block.hash);
    const final = block.decoded.number - this.spec.consensus.finalityDepth;
    const hash = final > 0 ? store.canonical(final) : undefined;
    if (hash !== undefined) store.settle(hash);
  }

  /** A transfer of one unit between purses, valid where each purse's transfers are taken in order. */
  transfer(from: number, to: number): Bytes {
    const [sender, taker] = [this.purse(from), this.purse(to)];
    const dest = { type: 'Id', value: taker.accountId };
    const call = { type: 'Balances', value: { type: 'transfer_keep_alive', value: { dest, value: UNIT } } };
    const name = toHex(sender.accountId);
    const nonce = this.nonces.get(name) ?? 0;
    this.nonces.set(name, nonce + 1);
    const { runtime, genesis } = this.rules;
    const { specVersion, transactionVersion } = runtime.spec;
    const implicit = { specVersion, transactionVersion, genesisHash: genesis.hash, birthHash: genesis.hash };
    const extra = { era: { type: 'Immortal' as const }, nonce, tip: 0n };
    return signExtrinsic(runtime.Call.enc(call), extra, implicit, sender).bytes;
  }

  /** Makes and keeps `count` blocks, each with `transfers` of them; what it yields is on top of what it yielded. */
  *grow(count: number, transfers = 0): Generator<SlotBlock> {
    for (let i = 0; i < count; i++) {
      const extrinsics = Array.from({ length: transfers }, (_, n) => this.transfer(i + n, i + n + 1));
      const block = this.make({ extrinsics });
      this.keep(block);
      yield block;
    }
  }

  private purse(n: number): Keypair {
    const owner = this.validators[n % this.validators.length];
    assert.ok(owner !== undefined);
    return owner.purse;
  }
}

/** The header with the seal of this key. */
function sealed(header: Header, key: Keypair, genesis: Bytes): Header {
  return withSlotSeal(header, key.sign(slotSealMessage(genesis, slotPreHash(header))));
}

/** What a key draws. */
export function draw(key: Keypair, message: Bytes): VrfSignature {
  assert.ok(key.vrf !== undefined);
  return key.vrf(message);
}
