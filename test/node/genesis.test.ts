import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import { toHex } from '../../src/base/bytes.ts';
import { recomputed } from '../../src/cli/commands/build-spec.ts';
import { loadSpec } from '../../src/cli/spec-source.ts';
import { encodeSpec, parseChainSpec, runtimeSpec } from '../../src/node/chain-spec.ts';
import { genesisBlock } from '../../src/node/genesis.ts';
import { corpus } from '../../src/node/job-assets.ts';
import { referee } from '../../src/node/referee.ts';
import { SIGNATURES } from '../../src/runtime/host.ts';
import { PALLETS } from '../../src/runtime/pallets/index.ts';
import { createRuntime } from '../../src/runtime/runtime.ts';

const SPECS = ['dev', 'local'] as const;

for (const id of SPECS) {
  test(`the graphs, weights, records and kernels that ${id} pins are those that this tree makes`, () => {
    const spec = loadSpec(id);
    // Another compiler, model or corpus is another chain: bump specVersion and run `npm run genesis`.
    assert.deepEqual(recomputed(spec), spec);
  });

  test(`the genesis of ${id} holds the whole supply and has one hash`, () => {
    const spec = loadSpec(id);
    const runtime = createRuntime({ pallets: PALLETS, spec: runtimeSpec(spec), host: { ...SIGNATURES, referee } });
    assert.equal(toHex(genesisBlock(spec, runtime).hash), toHex(genesisBlock(spec, runtime).hash));
    assert.ok('runtimeGenesis' in spec.genesis);
    const { balances, rewards } = spec.genesis.runtimeGenesis.patch;
    const inAccounts = balances.balances.reduce((sum, [, amount]) => sum + amount, 0n);
    assert.equal(inAccounts + rewards.pool, 100_000_000n * 10n ** 12n);
  });

  test(`${id} survives being written and read`, () => {
    const spec = loadSpec(id);
    assert.deepEqual(parseChainSpec(encodeSpec(spec), id), spec);
  });
}

test('the corpus is text: it does not compress sixfold, and no record stands in it twice', () => {
  const { train, holdout, recordBytes } = corpus(undefined);
  assert.ok(train.length > 300_000);
  const packed = zstdCompressSync(train, { params: { [constants.ZSTD_c_compressionLevel]: 19 } });
  assert.ok(train.length < 6 * packed.length, `${train.length} bytes in ${packed.length}`);
  const seen = new Set<string>();
  for (const records of [train, holdout]) {
    for (let at = 0; at < records.length; at += recordBytes) {
      const key = Buffer.from(records.subarray(at, at + recordBytes)).toString('latin1');
      assert.ok(!seen.has(key));
      seen.add(key);
    }
  }
});

test('at most a twentieth of the held-out records shares a run of 64 bytes with training', () => {
  const { train, holdout, recordBytes } = corpus(undefined);
  // Training records are 65 bytes at stride 64: together they hold every run of 64 bytes of the text but at seams.
  const text = Buffer.from(train).toString('latin1');
  let shared = 0;
  const records = holdout.length / recordBytes;
  for (let i = 0; i < records; i++) {
    const record = Buffer.from(holdout.subarray(i * recordBytes, (i + 1) * recordBytes)).toString('latin1');
    if (text.includes(record.slice(0, 64)) || text.includes(record.slice(1))) shared++;
  }
  assert.ok(shared * 20 <= records, `${shared} of ${records}`);
});
