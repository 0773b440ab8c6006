/** # grandpa_* where nobody votes, and where weights are larger than wallets can read. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { call, type Port, startPort } from './stub.ts';

const key = new Uint8Array(32).fill(1);
let depth: Port;
let voting: Port;
let total = 4n;

before(async () => {
  depth = await startPort();
  const stage = () => ({ weight: total - 1n, missing: [key] });
  const round = () => ({ round: 7n, total, threshold: 3n, prevotes: stage(), precommits: stage() });
  voting = await startPort(
    {},
    { grandpa: { rounds: () => ({ setId: 2n, rounds: [round(), round()] }), prove: () => undefined } },
  );
});
after(async () => {
  await depth.stop();
  await voting.stop();
});

test('a chain that finalizes by depth says that there is no voting', async () => {
  for (const [method, params] of [
    ['grandpa_roundState', []],
    ['grandpa_proveFinality', [1]],
  ] as const) {
    const { error } = await call(depth.http, method, params);
    assert.deepEqual(error, { code: 1, message: 'GRANDPA RPC endpoint not ready' });
  }
});

test('the current round comes first, then those that are not over, with who has not voted', async () => {
  const round = {
    round: 7,
    totalWeight: 4,
    thresholdWeight: 3,
    prevotes: { currentWeight: 3, missing: ['5C62Ck4UrFPiBtoCmeSrgF7x9yv9mn38446dhCpsi2mLHiFT'] },
    precommits: { currentWeight: 3, missing: ['5C62Ck4UrFPiBtoCmeSrgF7x9yv9mn38446dhCpsi2mLHiFT'] },
  };
  assert.deepEqual((await call(voting.http, 'grandpa_roundState')).result, {
    setId: 2,
    best: round,
    background: [round],
  });
  assert.equal((await call(voting.http, 'grandpa_proveFinality', [3])).result, null);
});

test('weights beyond 32 bits are refused by name, as Substrate does', async () => {
  total = 1n << 40n;
  assert.equal((await call(voting.http, 'grandpa_roundState')).error?.code, 3);
});
