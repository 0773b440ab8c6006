/** # Genesis: block 0 of a chain spec; equal specs have equal hashes. */
import { type Bytes, fromHex } from '../base/bytes.ts';
import { genesisOf } from '../runtime/genesis.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Genesis } from '../state/chain/load.ts';
import { StateTree } from '../state/tree.ts';
import type { ChainSpec } from './chain-spec.ts';

/** Keys and values of block 0, from either form of the spec. */
export function genesisEntries(spec: ChainSpec, runtime: Runtime): [Bytes, Bytes][] {
  if ('raw' in spec.genesis) {
    return Object.entries(spec.genesis.raw.top).map(([key, value]) => [fromHex(key), fromHex(value)]);
  }
  return runtime.genesis(spec.genesis.runtimeGenesis.patch);
}

/** Block 0: its header and hash, and its state. */
export function genesisBlock(spec: ChainSpec, runtime: Runtime): Genesis {
  return genesisOf(StateTree.from(genesisEntries(spec, runtime)));
}
