/** # TestChain: a chain of one runtime in memory, for tests that build, execute and look at blocks. */
import assert from 'node:assert/strict';
import { type Bytes, concat } from '../../src/base/bytes.ts';
import { hash } from '../../src/codec/index.ts';
import type { Keypair } from '../../src/crypto/keypair.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import type { Era } from '../../src/primitives/era.ts';
import { type Extra, signExtrinsic } from '../../src/primitives/extrinsic.ts';
import { type Header, headerHash } from '../../src/primitives/header.ts';
import { reader } from '../../src/runtime/access.ts';
import type { PalletSource, RuntimeCall, RuntimeEvent } from '../../src/runtime/calls.ts';
import { type Host, SIGNATURES } from '../../src/runtime/host.ts';
import { Balances } from '../../src/runtime/pallets/balances.ts';
import { System } from '../../src/runtime/pallets/system.ts';
import { CORE_PALLETS } from '../../src/runtime/pallets.ts';
import type { Referee } from '../../src/runtime/referee.ts';
import { type Applied, createRuntime, type Runtime } from '../../src/runtime/runtime.ts';
import { DEFAULT_SPEC, type RuntimeSpec } from '../../src/runtime/spec.ts';
import { storageKey } from '../../src/runtime/storage.ts';
import { AccountInfo } from '../../src/runtime/types.ts';
import { keyOf } from '../../src/state/key.ts';
import { StateTree } from '../../src/state/tree.ts';

export const UNIT = 1_000_000_000_000n;
export const alice = keypairFromSuri('//Alice', 'sr25519');
export const bob = keypairFromSuri('//Bob', 'sr25519');
export const carol = keypairFromSuri('//Charlie', 'ed25519');
export const dave = keypairFromSuri('//Dave', 'ecdsa');

/** No work is judged in these tests. */
const NO_REFEREE: Referee = {
  transcript: () => new Uint8Array(32),
  opensState: () => false,
  opensOperands: () => false,
  registration: () => false,
};
export const HOST: Host = { ...SIGNATURES, referee: NO_REFEREE };

const ENDOWMENT = 1_000n * UNIT;
const START_MS = 1_700_000_000_000n;

export interface TestChainOptions {
  readonly spec?: Partial<RuntimeSpec>;
  readonly pallets?: readonly PalletSource[];
  readonly host?: Host;
  readonly balances?: readonly (readonly [Bytes, bigint])[];
  readonly genesis?: Readonly<Record<string, unknown>>;
}

export interface BuiltBlock {
  readonly header: Header;
  readonly extrinsics: readonly Bytes[];
  readonly outcomes: readonly Applied[];
  readonly events: readonly RuntimeEvent[];
}

/** A `pow_` PreRuntime and seal, as a miner would add them: execution must not notice. */
export function sealed(header: Header, author: Bytes): Header {
  const digest = [
    ...header.digest,
    { type: 'PreRuntime', value: { engine: 'pow_', data: concat(author, new Uint8Array(40)) } } as const,
    { type: 'Seal', value: { engine: 'pow_', data: new Uint8Array(64).fill(7) } } as const,
  ];
  return { ...header, digest };
}

export class TestChain {
  readonly runtime: Runtime;
  readonly genesisHash: Bytes;
  author: Bytes = dave.accountId;
  tree: StateTree;
  header: Header;

  constructor({ spec = {}, pallets = CORE_PALLETS, host = HOST, balances, genesis = {} }: TestChainOptions = {}) {
    this.runtime = createRuntime({ pallets, spec: { ...DEFAULT_SPEC, ...spec }, host });
    const endowed = balances ?? [alice, bob, carol, dave].map(({ accountId }) => [accountId, ENDOWMENT] as const);
    const listed = endowed.map(([who, amount]) => [ss58Encode(who, 42), amount.toString()]);
    this.tree = StateTree.from(this.runtime.genesis({ balances: { balances: listed }, ...genesis }));
    const extrinsicsRoot = StateTree.empty(0).root;
    this.header = { parentHash: new Uint8Array(32), number: 0, stateRoot: this.tree.root, extrinsicsRoot, digest: [] };
    this.genesisHash = headerHash(this.header);
  }

  get at() {
    return { number: this.header.number, hash: headerHash(this.header) };
  }

  get system() {
    return reader(System, this.tree);
  }

  get balances() {
    return reader(Balances, this.tree);
  }

  free(who: Bytes): bigint {
    return this.system.Account.get(who).data.free;
  }

  /** Builds a block on top, executes it as an importer would, and makes it the head. */
  block(extrinsics: readonly Bytes[] = [], timestampMs = this.time(1)): BuiltBlock {
    const built = this.anyBlock(extrinsics, timestampMs);
    const isBug = (one: Applied) => one.applied && one.error?.type === 'Arithmetic';
    assert.ok(!built.outcomes.some(isBug), 'a call reckoned what cannot be stored');
    return built;
  }

  /** As `block`; calls may fail by a bug of theirs. */
  anyBlock(extrinsics: readonly Bytes[], timestampMs = this.time(1)): BuiltBlock {
    const parent = { header: this.header, ticket: undefined };
    const builder = this.runtime.builder(this.tree, parent, timestampMs, { check: true });
    const outcomes = extrinsics.map((extrinsic) => builder.apply(extrinsic));
    const built = builder.finish();
    const header = sealed(built.header, this.author);
    const executed = this.runtime.execute(this.tree, { header, extrinsics: built.extrinsics }, parent, { check: true });
    assert.ok(executed.ok, executed.ok ? '' : `${executed.code}: ${executed.detail}`);
    this.tree = executed.tree;
    this.header = header;
    return { header, extrinsics: built.extrinsics, outcomes, events: executed.events.map(({ event }) => event) };
  }

  /** Writes an account behind the rules' back, as a fault would. */
  plant(who: Bytes, info: AccountInfo): void {
    const key = storageKey(System.storage.Account, [who]);
    this.tree = this.tree.with(new Map([[keyOf(key), AccountInfo.enc(info)]]));
    this.header = { ...this.header, stateRoot: this.tree.root };
  }

  /** The time of the block `ahead` of the head. */
  time(ahead: number): bigint {
    return START_MS + BigInt((this.header.number + ahead) * this.runtime.spec.blockTimeMs);
  }

  /** A signed extrinsic of a call. */
  signed(pair: Keypair, call: RuntimeCall, extra: Partial<Extra> = {}, birthHash = this.genesisHash): Bytes {
    const era: Era = { type: 'Immortal' };
    const nonce = this.system.Account.get(pair.accountId).nonce;
    const implicit = {
      specVersion: this.runtime.spec.specVersion,
      transactionVersion: this.runtime.spec.transactionVersion,
      genesisHash: this.genesisHash,
      birthHash: hash.dec(birthHash),
    };
    return signExtrinsic(this.runtime.Call.enc(call), { era, nonce, tip: 0n, ...extra }, implicit, pair).bytes;
  }
}

/** A call by name. */
export function call(pallet: string, name: string, args: Readonly<Record<string, unknown>> = {}): RuntimeCall {
  return { type: pallet, value: { type: name, value: args } };
}

/** A transfer call. */
export function transferCall(name: string, dest: Bytes, value: bigint): RuntimeCall {
  return call('Balances', name, { dest: { type: 'Id', value: dest }, value });
}

/** `Pallet.Event` of each event. */
export function names(events: readonly RuntimeEvent[]): string[] {
  return events.map(({ type, value }) => `${type}.${value.type}`);
}
