/**
 * # Peers: what the bench measures us against, installed when a row asks for it.
 *
 * Always true: none of them is a dependency of the project: they are pinned in `peers/package.json`, are some 300 MB,
 * and arrive by `npm ci` without any script of theirs. Where they cannot be had, a row says so and gives no ratio.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, 'peers');
const PACKAGES = join(FOLDER, 'node_modules');
const INSTALL_MS = 300_000;

/** A peer that cannot be had here. */
export class PeerMissing extends Error {
  override readonly name = 'PeerMissing';
}

/** The file of an installed package; installs all of them first where none is. */
function file(path: string): string {
  if (!existsSync(PACKAGES)) {
    process.stderr.write('bench: installing the peers (test/bench/peers)\n');
    const options = { cwd: FOLDER, timeout: INSTALL_MS, encoding: 'utf8' } as const;
    const { status, stderr, error } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], options);
    if (status !== 0) {
      const said = error?.message ?? /npm error (.+)/.exec(stderr)?.[1] ?? 'npm ci failed';
      throw new PeerMissing(`not installed: ${said}`);
    }
  }
  const found = join(PACKAGES, path);
  if (!existsSync(found)) throw new PeerMissing(`${path} is not there on this platform`);
  return found;
}

/** Anvil of Foundry: an Ethereum development node in Rust, as a binary. */
export function anvilBinary(): string {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new PeerMissing('anvil: only for Linux on x64');
  return file('@foundry-rs/anvil-linux-amd64/bin/anvil');
}

/** Chopsticks: runs a Substrate runtime's WASM in Node. */
export function chopsticksScript(): string {
  return file('@acala-network/chopsticks/chopsticks.cjs');
}

/** A chain spec with the whole genesis state of a real Substrate chain, runtime included: Rococo's Asset Hub. */
export function substrateSpec(): string {
  file('@substrate/connect-known-chains/package.json');
  const chains = createRequire(join(FOLDER, 'package.json'))('@substrate/connect-known-chains') as {
    rococo_v2_2_asset_hub: string;
  };
  return chains.rococo_v2_2_asset_hub;
}
