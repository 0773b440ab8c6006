/**
 * # Genesis: the state of block 0, from the human form of a chain spec.
 *
 * Always true: equal specs give equal states, whatever the order of their fields; `:code` holds a marker that changes
 * with the spec's version and with the runtime's description, since clients cache metadata by its hash.
 */
import { assert } from '../base/assert.ts';
import { type Bytes, concat } from '../base/bytes.ts';
import { str, struct, u32 } from '../codec/index.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { Header, headerHash } from '../primitives/header.ts';
import type { Genesis } from '../state/chain/load.ts';
import { Overlay } from '../state/overlay.ts';
import { StateTree } from '../state/tree.ts';
import { orderedRoot } from '../state/trie/root.ts';
import { building, ConfigReader, camelCase } from './config.ts';
import { blockAt, Context, type Kernel } from './context.ts';
import { CODE_KEY } from './pallets/system.ts';
import type { RuntimeSpec } from './spec.ts';

/** `genesis.runtimeGenesis.patch` of a chain spec: sections by pallet (`balances`, `computePow`), camelCase fields. */
export type GenesisConfig = Readonly<Record<string, unknown>>;

/** What `:code` holds: spec name, spec version, BLAKE2b-256 of the newest metadata. */
export function codeMarker(spec: RuntimeSpec, metadata: Bytes): Bytes {
  return concat(str.enc(spec.specName), u32.enc(spec.specVersion), blake2_256(metadata));
}

/** Keys and values of the state of block 0; ConfigError where the config has no meaning. */
export function genesisState(kernel: Kernel, config: GenesisConfig): [Bytes, Bytes][] {
  const reader = new ConfigReader(kernel.spec.ss58Format);
  const built = stage(kernel, StateTree.empty(), (context) => {
    for (const { declared, genesis } of kernel.calls.pallets) {
      if (genesis === undefined) continue;
      const section = camelCase(declared.name);
      const values = reader.read(struct(genesis.config).shape, config[section], section);
      building(section, () => genesis.build(context.use(declared), values as Record<string, unknown>));
    }
  });
  const closed = stage(kernel, built, (context) => {
    for (const { declared, genesis } of kernel.calls.pallets) genesis?.close?.(context.use(declared));
    context.store.put(CODE_KEY, kernel.marker());
  });
  stage(kernel, closed, (context) => {
    for (const { declared, invariant } of kernel.calls.pallets) {
      const holds = invariant(context.use(declared));
      assert(holds === true, `genesis: ${declared.name}: ${holds || 'its invariant does not hold'}`);
    }
  });
  return [...closed.entries()];
}

/** The state after `body`. Listing a map within many fresh changes is slow: each stage begins on a tree. */
function stage(kernel: Kernel, base: StateTree, body: (context: Context) => void): StateTree {
  const overlay = new Overlay(base);
  const context = new Context(kernel, overlay, blockAt(0, new Uint8Array(32), kernel.spec.eraBlocks));
  context.origin = { type: 'root' };
  body(context);
  return base.with(overlay.changes());
}

/** Block 0 of a chain that begins with this state: it has no parent, no extrinsics and no digest. */
export function genesisOf(state: StateTree): Genesis {
  const header: Header = {
    parentHash: new Uint8Array(32),
    number: 0,
    stateRoot: state.root,
    extrinsicsRoot: orderedRoot([]),
    digest: [],
  };
  return { hash: headerHash(header), header: Header.enc(header), state };
}
