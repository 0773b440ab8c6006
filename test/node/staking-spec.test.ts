/** # Chain specs with validators: what is left out has its default, what makes no sense is refused. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toHex } from '../../src/base/bytes.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { encodeSpec, parseChainSpec, runtimeSpec } from '../../src/node/chain-spec.ts';
import { reader } from '../../src/runtime/access.ts';
import { PALLETS } from '../../src/runtime/pallets/index.ts';
import { SessionDeclared } from '../../src/runtime/pallets/session.ts';
import { StakingDeclared } from '../../src/runtime/pallets/staking.ts';
import { createRuntime } from '../../src/runtime/runtime.ts';
import { DEFAULT_SPEC } from '../../src/runtime/spec.ts';
import { StateTree } from '../../src/state/tree.ts';
import { somebody } from '../runtime/stake/stake-chain.ts';
import { HOST } from '../runtime/test-chain.ts';

const TEXT = readFileSync(join(import.meta.dirname, '../../genesis/dev.json'), 'utf8');
const people = [somebody('one'), somebody('two'), somebody('three')];
const address = (i: number) => ss58Encode(people[i]?.account ?? new Uint8Array(32), 42);

/** The dev chain's spec with other sections. */
function withStake(staking: object | undefined, genesis: object = {}, extra: object = {}): string {
  const spec = JSON.parse(TEXT);
  const { patch } = spec.genesis.runtimeGenesis;
  patch.balances.balances = people.map((_, i) => [address(i), '1000000000000000000']);
  Object.assign(patch, genesis);
  return JSON.stringify({ ...spec, ...(staking && { staking }), ...extra });
}

test('a spec without validators is what it was, and has the defaults', () => {
  const spec = parseChainSpec(TEXT, 'dev');
  assert.equal(JSON.parse(encodeSpec(spec)).staking, undefined);
  assert.deepEqual(runtimeSpec(spec).staking, DEFAULT_SPEC.staking);
});

test('validators, voters and bootstrap seats of a spec stand in its genesis', () => {
  const keys = people.map(({ keys: { grandpa, authoring, compute } }, i) => [
    address(i),
    address(i),
    { grandpa: toHex(grandpa), authoring: toHex(authoring), compute: toHex(compute) },
  ]);
  const bond = '200000000000000';
  const stakers = [
    [address(0), bond, 'Validator'],
    [address(1), bond, { Nominator: [address(0)] }],
  ];
  const text = withStake(
    { seats: 5, minBond: bond },
    { session: { keys }, staking: { stakers, bootstrap: [address(2)] } },
  );
  const spec = parseChainSpec(encodeSpec(parseChainSpec(text, 'test')), 'again');
  const runtime = createRuntime({ pallets: PALLETS, spec: runtimeSpec(spec), host: HOST });
  assert.ok('runtimeGenesis' in spec.genesis);
  const tree = StateTree.from(runtime.genesis(spec.genesis.runtimeGenesis.patch));
  const accounts = people.map(({ account }) => account);
  assert.deepEqual(reader(SessionDeclared, tree).Validators.get(), [accounts[0], accounts[2]]);
  const seats = reader(StakingDeclared, tree).ErasSeats.get(0);
  assert.deepEqual(
    seats.map(({ kind, stake }) => [kind.type, stake]),
    [
      ['Voted', 2n * BigInt(bond)],
      ['Bootstrap', 0n],
    ],
  );
});

test('seats by lot of a third, sessions shorter than settling and bonds of nothing are refused', () => {
  assert.throws(() => parseChainSpec(withStake({ seats: 27, lots: 9 }), 'x'), /lots: less than a third of seats/);
  assert.throws(() => parseChainSpec(withStake({ sessionBlocks: 4 }), 'x'), /more than consensus.settleDepth/);
  assert.throws(() => parseChainSpec(withStake({ minBond: '0' }), 'x'), /minBond/);
  assert.throws(() => parseChainSpec(withStake({ bondingEras: 2 }), 'x'), /bondingEras/);
  assert.equal(parseChainSpec(withStake({ seats: 27, lots: 6 }), 'x').staking?.lots, 6);
});
