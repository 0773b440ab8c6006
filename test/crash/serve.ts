/**
 * # Serve: how long a killed node takes until it answers again, over a chain of thousands of blocks.
 *
 * The blocks are executed by the dev chain's runtime and have openings of the size of real ones; their seals are drawn
 * at random, which no start looks at: a node trusts what it once imported and finds unchanged.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../../src/base/assert.ts';
import { childDifficulty } from '../../src/consensus/difficulty.ts';
import { storeBlock } from '../../src/consensus/import.ts';
import { parentBlock } from '../../src/consensus/meta.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { parseChainSpec } from '../../src/node/chain-spec.ts';
import { chainRules } from '../../src/node/rules.ts';
import { Header, headerHash } from '../../src/primitives/header.ts';
import { readSealed, withPreRuntime, withSeal } from '../../src/primitives/pow.ts';
import { LevelStore } from '../../src/state/level/level-store.ts';
import { cpuSeconds, freePort, startServer } from '../bench/server.ts';
import { easySpec } from '../rpc/dev-node.ts';

/** Two panels of 16 lines of a slab of 1,024, and their paths (docs/spec/compute-pow.md). */
const OPENING_BYTES = 2 * 16 * 1_024 + 1_000;
const START = 1_700_000_000_000;
const BLOCK_MS = 12_000;
const STARTS = 3;

export interface Served {
  readonly blocks: number;
  readonly bytes: number;
  /** Of each start after a kill: from the start of the process to its first answer. */
  readonly seconds: readonly number[];
  /** What the process used of a core until then: on a busy machine the better figure. */
  readonly cpuSeconds: readonly number[];
}

/** Makes a chain of `blocks` in `folder`, starts a node on it, kills it and starts it again. */
export async function timeToServe(folder: string, blocks: number): Promise<Served> {
  const specPath = join(folder, 'spec.json');
  writeFileSync(specPath, easySpec('dev', { blockTimeMs: BLOCK_MS }));
  const bytes = await grow(folder, specPath, blocks);
  const [seconds, used]: [number[], number[]] = [[], []];
  for (let start = 0; start <= STARTS; start++) {
    const server = await started(folder, specPath);
    if (start > 0) {
      seconds.push(server.seconds);
      used.push(cpuSeconds(server));
    }
    const best = await heightOf(server.port);
    if (best !== blocks) throw new Error(`the node serves block ${best}, not ${blocks}`);
    const ended = new Promise((resolve) => server.process.once('exit', resolve));
    server.process.kill('SIGKILL');
    await ended;
  }
  return { blocks, bytes, seconds, cpuSeconds: used };
}

async function started(folder: string, spec: string) {
  const port = await freePort();
  const place = ['--chain', spec, '--base-path', join(folder, 'base'), '--rpc-port', String(port)];
  const alone = ['--listen-addr', '/ip4/127.0.0.1/tcp/0', '--no-mdns', '--no-prometheus', '--end-with-parent'];
  const args = ['--no-warnings', 'src/cli/main.ts', ...place, ...alone];
  return startServer({ file: process.execPath, args, port, method: 'chain_getHeader' });
}

async function heightOf(port: number): Promise<number> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'chain_getHeader', params: [] });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body });
  const { result } = (await answer.json()) as { result: { number: string } };
  return Number(result.number);
}

/** Stores blocks as the import does once they are checked; the bytes written. */
async function grow(folder: string, specPath: string, blocks: number): Promise<number> {
  await installFastPaths();
  const spec = parseChainSpec(easySpec('dev', { blockTimeMs: BLOCK_MS }), specPath);
  const { runtime, genesis, consensus } = chainRules(spec, () => {});
  const dir = join(folder, 'base', 'chains', spec.id);
  mkdirSync(dir, { recursive: true });
  const store = await LevelStore.open({ dir, genesis });
  const author = keypairFromSuri('//Alice//stash', 'sr25519').accountId;
  let bytes = 0;
  for (let number = 1; number <= blocks; number++) {
    const parent = parentBlock(store, store.best.hash);
    const timestamp = START + number * BLOCK_MS;
    const view = must(store.view(parent.hash), 'the best block has its state');
    const built = runtime.builder(view, parent.info, BigInt(timestamp)).finish();
    const draw = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
    const place = { author, fragment: draw(32), step: 1, node: 0, profile: 1, m: 64, n: 64, k: 1_024 };
    const seal = { ti: 0, tj: 0, s: 0, rootA: draw(32), rootB: draw(32), openingHash: draw(32), signature: draw(64) };
    const decoded = withSeal(withPreRuntime(built.header, place), seal);
    const opening = draw(OPENING_BYTES);
    const executed = runtime.execute(view, { header: decoded, extrinsics: built.extrinsics }, parent.info);
    if (!executed.ok) throw new Error(`${executed.code}: ${executed.detail}`);
    storeBlock(
      store,
      {
        ...executed,
        origin: { type: 'own' },
        header: Header.enc(decoded),
        decoded,
        sealed: readSealed(decoded),
        hash: headerHash(decoded),
        extrinsics: built.extrinsics,
        opening,
        parent,
        timestamp,
        due: childDifficulty(consensus.difficulty, parent, timestamp),
        ticket: draw(32),
      },
      BigInt(number),
    );
    bytes += opening.length;
    store.setBest(headerHash(decoded));
    const settled = number - spec.consensus.finalityDepth;
    if (settled > 0) store.settle(must(store.canonical(settled), 'a block of the chain'));
    if (number % 32 === 0) await store.flush(false);
  }
  await store.close();
  return bytes;
}
