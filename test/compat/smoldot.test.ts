/**
 * # smoldot: a light client by others computes the genesis of our chain specs, and comes to our hashes and roots.
 *
 * smoldot learns from the runtime in `:code` how a state is hashed, and this chain's runtime is no WebAssembly: there
 * stands, for both sides alike, an empty module that only says what our runtime says of its version. All else is the
 * raw spec as `build-spec --raw` prints it, without the fields that only this chain knows.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MessageChannel, Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { type Client, start } from 'smoldot';
import { type Bytes, concat, fromHex, toHex, utf8 } from '../../src/base/bytes.ts';
import { loadSpec } from '../../src/cli/spec-source.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { parseChainSpec, runtimeSpec } from '../../src/node/chain-spec.ts';
import { genesisBlock } from '../../src/node/genesis.ts';
import { referee } from '../../src/node/referee.ts';
import { SIGNATURES } from '../../src/runtime/host.ts';
import { PALLETS } from '../../src/runtime/pallets/index.ts';
import { createRuntime } from '../../src/runtime/runtime.ts';
import { StateTree } from '../../src/state/tree.ts';
import { orderedRoot } from '../../src/state/trie/root.ts';
import { maitoken } from '../cli/run.ts';

const PATIENCE = { timeout: 120_000 };
const GENERATED = 12;
const CODE = toHex(utf8(':code'));
const dir = mkdtempSync(join(tmpdir(), 'maitoken-smoldot-'));

let thread: Worker;
let client: Client;

before(() => {
  // It looks for peers by timers of a minute that outlive it: they end with a thread of their own.
  const { port1, port2 } = new MessageChannel();
  const workerData = { smoldot: import.meta.resolve('smoldot/worker'), port: port2 };
  const code =
    'const { smoldot, port } = require("worker_threads").workerData; import(smoldot).then((m) => m.run(port));';
  thread = new Worker(code, { eval: true, workerData, transferList: [port2] });
  client = start({ portToWorker: port1, maxLogLevel: 1, logCallback: () => {} });
});
after(async () => {
  await client?.terminate();
  await thread?.terminate();
  rmSync(dir, { recursive: true, force: true });
});

type Top = Record<string, string>;
interface RawSpec {
  genesis: { raw: { top: Top; childrenDefault: object } };
  [field: string]: unknown;
}

/** What a runtime is to smoldot when nothing is asked of it: its version, a memory, and where its heap begins. */
function emptyModule(version: Bytes): Bytes {
  const sized = (body: readonly number[]): number[] => {
    const size = body.length;
    assert.ok(size < 2 ** 14);
    return size < 128 ? [size, ...body] : [(size & 127) | 128, size >> 7, ...body];
  };
  const name = (text: string) => sized([...utf8(text)]);
  const section = (id: number, body: readonly number[]) => [id, ...sized(body)];
  return Uint8Array.from([
    ...[0, ...utf8('asm'), 1, 0, 0, 0],
    ...section(2, [1, ...name('env'), ...name('memory'), 2, 0, 0]),
    ...section(6, [1, 0x7f, 0, 0x41, 0, 0x0b]),
    ...section(7, [1, ...name('__heap_base'), 3, 0]),
    ...section(0, [...name('runtime_version'), ...version]),
    ...section(0, name('runtime_apis')),
  ]);
}

const devSpec = loadSpec('dev');
const runtime = createRuntime({ pallets: PALLETS, spec: runtimeSpec(devSpec), host: { ...SIGNATURES, referee } });
const said = runtime.call(StateTree.empty(), 'Core_version', new Uint8Array(), { number: 0, hash: new Uint8Array(32) });
assert.ok(said.ok);
const coreVersion = said.output;
/** The last byte of a runtime's version is the version of its state trie. */
const moduleOfState = (version: 0 | 1) => toHex(emptyModule(Uint8Array.from([...coreVersion.slice(0, -1), version])));

/** What `build-spec --raw` prints of a spec, with a `:code` that smoldot can start. */
async function rawSpec(chain: string): Promise<RawSpec> {
  const { code, out, err } = await maitoken('build-spec', '--chain', chain, '--raw');
  assert.equal(code, 0, err);
  const raw = JSON.parse(out) as RawSpec;
  assert.ok(raw.genesis.raw.top[CODE]);
  raw.genesis.raw.top[CODE] = toHex(emptyModule(coreVersion));
  return raw;
}

/** The hash of the genesis header that smoldot makes of a raw spec. */
async function smoldotHash(raw: RawSpec): Promise<string> {
  const { specVersion, consensus, economy, staking, ...common } = raw;
  const chain = await client.addChain({ chainSpec: JSON.stringify(common), disableJsonRpc: false });
  try {
    chain.sendJsonRpc('{"jsonrpc":"2.0","id":1,"method":"chainSpec_v1_genesisHash","params":[]}');
    const { result } = JSON.parse(await chain.nextJsonRpcResponse());
    assert.match(result, /^0x[0-9a-f]{64}$/);
    return result;
  } finally {
    chain.remove();
  }
}

/** Our node's genesis of a raw spec is smoldot's, and so are its state root and every other byte of the header. */
async function agree(raw: RawSpec): Promise<string> {
  const ours = genesisBlock(parseChainSpec(JSON.stringify(raw), 'raw'), runtime);
  const theirs = await smoldotHash(raw);
  assert.equal(toHex(ours.hash), theirs);
  assert.equal(hashWithRoot(ours.state.root), theirs);
  return theirs;
}

/** Hash of the one genesis header with that state root: no parent, number 0, no extrinsics, no digest. */
function hashWithRoot(stateRoot: Bytes): string {
  const noExtrinsics = orderedRoot([]);
  return toHex(blake2_256(concat(new Uint8Array(32), Uint8Array.of(0), stateRoot, noExtrinsics, Uint8Array.of(0))));
}

for (const id of ['dev', 'local']) {
  test(`smoldot comes to our genesis hash and state root of ${id}`, PATIENCE, async () => {
    const raw = await rawSpec(id);
    assert.ok(Object.keys(raw.genesis.raw.top).length >= 30);
    const hash = await agree(raw);
    // It did look at the storage: another value is another genesis.
    const [key = ''] = Object.keys(raw.genesis.raw.top).filter((one) => one !== CODE);
    raw.genesis.raw.top[key] += '00';
    assert.notEqual(await smoldotHash(raw), hash);
  });
}

const account = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((id) => ss58Encode(id, 42));
const balances = fc.uniqueArray(fc.tuple(account, fc.bigInt(10n ** 9n, 10n ** 24n).map(String)), {
  minLength: 1,
  maxLength: 60,
  selector: ([address]) => address,
});

test(`smoldot comes to our genesis of ${GENERATED} human specs with generated balances, pools and deposits`, {
  timeout: 300_000,
}, async () => {
  const generated = fc.record({ balances, pool: fc.bigInt(10n ** 18n, 10n ** 21n), deposit: fc.bigInt(1n, 10n ** 9n) });
  const hashes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(generated, async (made) => {
      const human = JSON.parse((await maitoken('build-spec', '--chain', 'dev')).out);
      human.economy.existentialDeposit = String(made.deposit);
      human.genesis.runtimeGenesis.patch.balances.balances.push(...made.balances);
      human.genesis.runtimeGenesis.patch.rewards.pool = String(made.pool);
      const file = join(dir, 'human.json');
      writeFileSync(file, JSON.stringify(human));
      hashes.add(await agree(await rawSpec(file)));
    }),
    { numRuns: GENERATED, endOnFailure: true },
  );
  assert.ok(hashes.size > GENERATED / 2);
});

/** Keys that share much, fork at odd nibbles and end within each other; values on both sides of 32 bytes. */
const storage = fc.dictionary(
  fc
    .array(fc.constantFrom('00', '01', '10', '38', '40', '80', 'ff'), { minLength: 1, maxLength: 40 })
    .map((key) => `0x${key.join('')}`),
  fc.uint8Array({ maxLength: 70 }).map(toHex),
  { maxKeys: 40 },
);

for (const version of [0, 1] as const) {
  test(`smoldot comes to our state root of any storage in state version ${version}`, PATIENCE, async () => {
    const raw = await rawSpec('dev');
    await fc.assert(
      fc.asyncProperty(storage, async (made) => {
        const top: Top = { ...made, [CODE]: moduleOfState(version) };
        const entries = Object.entries(top).map(([key, value]): [Bytes, Bytes] => [fromHex(key), fromHex(value)]);
        const theirs = await smoldotHash({ ...raw, genesis: { raw: { top, childrenDefault: {} } } });
        assert.equal(hashWithRoot(StateTree.from(entries, version).root), theirs);
      }),
      { numRuns: 25, endOnFailure: true },
    );
  });
}
