/**
 * # Genesis: the state of block 0, from the human form of a chain spec.
 *
 * Always true: equal specs give equal states, whatever the order of their fields; `:code` holds a marker that changes
 * with the spec's version and with the runtime's description, since clients cache metadata by its hash.
 */
import { assert } from '../base/assert.ts';
import { type Bytes, concat, utf8 } from '../base/bytes.ts';
import { str, struct, u32 } from '../codec/index.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { bytesOf } from '../state/key.ts';
import { Overlay } from '../state/overlay.ts';
import { StateTree } from '../state/tree.ts';
import { ConfigReader, camelCase } from './config.ts';
import { blockAt, Context, type Kernel } from './context.ts';
import type { RuntimeSpec } from './spec.ts';

/** `genesis.runtimeGenesis.patch` of a chain spec: sections by pallet (`balances`, `computePow`), fields in camelCase. */
export type GenesisConfig = Readonly<Record<string, unknown>>;

/** The well-known key under which clients look for the runtime. */
export const CODE_KEY = utf8(':code');

/** What `:code` holds: spec name, spec version, BLAKE2b-256 of the newest metadata. */
export function codeMarker(spec: RuntimeSpec, metadata: Bytes): Bytes {
  return concat(str.enc(spec.specName), u32.enc(spec.specVersion), blake2_256(metadata));
}

/** Keys and values of the state of block 0; ConfigError where the config has no meaning. */
export function genesisState(kernel: Kernel, config: GenesisConfig, marker: Bytes): [Bytes, Bytes][] {
  const overlay = new Overlay(StateTree.empty());
  const context = new Context(kernel, overlay, blockAt(0, new Uint8Array(32), kernel.spec.eraBlocks));
  const reader = new ConfigReader(kernel.spec.ss58Format);
  context.origin = { type: 'root' };
  for (const { declared, genesis } of kernel.calls.pallets) {
    if (genesis === undefined) continue;
    const section = camelCase(declared.name);
    const values = reader.read(struct(genesis.config).shape, config[section], section);
    genesis.build(context.use(declared), values as Record<string, unknown>);
  }
  for (const { declared, genesis } of kernel.calls.pallets) genesis?.close?.(context.use(declared));
  overlay.put(CODE_KEY, marker);
  const entries: [Bytes, Bytes][] = [];
  for (const [key, value] of overlay.changes()) if (value !== null) entries.push([bytesOf(key), value]);
  for (const { declared, invariant } of kernel.calls.pallets) {
    const holds = invariant(context.use(declared));
    assert(holds === true, `genesis: ${declared.name}: ${holds || 'its invariant does not hold'}`);
  }
  return entries;
}
