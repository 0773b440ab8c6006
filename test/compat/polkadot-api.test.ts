/**
 * # polkadot-api: the unmodified PAPI client against a node over WebSocket, through `chainHead_v1_*` and, where a node
 * lists none of the new API generation, through its fallback to the legacy methods.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { Binary, type PolkadotClient } from 'polkadot-api';
import { DevMiner, type DevNode, startDevNode } from '../rpc/dev-node.ts';
import {
  assertNear,
  connectPapi,
  PATIENCE,
  type PapiAccount,
  papiAccountOf,
  papiTx,
  person,
  signerOf,
  sockets,
  UNIT,
} from './wallet.ts';

for (const mode of ['chainHead', 'legacy'] as const)
  describe(`through ${mode}`, () => {
    let dev: DevNode;
    let miner: DevMiner;
    let client: PolkadotClient;
    const asked = new Set<string>();

    before(async () => {
      await cryptoWaitReady();
      dev = await startDevNode();
      miner = new DevMiner(dev.ws);
      client = connectPapi(dev.ws, sockets(asked, mode === 'legacy'));
    });

    after(async () => {
      client?.destroy();
      miner?.stop();
      await dev?.stop();
    });

    const addressOf = (suri: string): string => person(suri).address;
    const accountOf = (address: string) => papiAccountOf(client, address);
    const transfer = (to: string, value: bigint) =>
      papiTx(client, 'Balances', 'transfer_keep_alive', { dest: { type: 'Id', value: to }, value });

    test('it connects and follows the chain', PATIENCE, async () => {
      const spec = await client.getChainSpecData();
      assert.equal(spec.genesisHash, (await client._request('chain_getBlockHash', [0])) as string);
      const finalized = await client.getFinalizedBlock();
      const numbers: number[] = [];
      await new Promise<void>((resolve, reject) => {
        client.finalizedBlock$.subscribe({
          next: ({ number }) => {
            numbers.push(number);
            if (numbers.length === 4) resolve();
          },
          error: reject,
        });
      });
      const [from] = numbers;
      assert.ok(from !== undefined && from >= finalized.number);
      assert.deepEqual(numbers, [from, from + 1, from + 2, from + 3]);
      const best = await client.getBestBlocks();
      assert.ok(best.length >= 1);
    });

    test('it reads a balance, a constant and the keys of a map', PATIENCE, async () => {
      const { data } = await accountOf(addressOf('//Bob'));
      assert.ok(data.free > 0n);
      const api = client.getUnsafeApi();
      const deposit = await api.constants.Balances?.ExistentialDeposit?.();
      assert.equal(deposit, dev.node.config.spec.economy.existentialDeposit);
      const entries = await api.query.System?.Account?.getEntries();
      assert.ok(entries && entries.length >= 6);
    });

    test('a transfer is signed, estimated, included and finalized', PATIENCE, async () => {
      const to = addressOf('//Charlie');
      const [before, sender] = [await accountOf(to), await accountOf(addressOf('//Alice'))];
      const tx = transfer(to, 2n * UNIT);
      const estimate = await tx.getEstimatedFees(addressOf('//Alice'));
      const done = await tx.signAndSubmit(signerOf(person('//Alice')));
      assert.ok(done.ok);
      assert.equal((await accountOf(to)).data.free - before.data.free, 2n * UNIT);
      const paid = sender.data.free - (await accountOf(addressOf('//Alice'))).data.free - 2n * UNIT;
      assertNear(paid, estimate);
    });

    test('what the chain refuses is told with its reason', PATIENCE, async () => {
      const remark = papiTx(client, 'System', 'remark', { remark: Binary.fromText('hello') });
      const refused = remark.signAndSubmit(signerOf(person('//Nobody')));
      await assert.rejects(refused, /Payment/);
    });

    test('a balance is watched until it changes', PATIENCE, async () => {
      const api = client.getUnsafeApi();
      const to = addressOf('//Dave');
      const seen: bigint[] = [];
      const changed = new Promise<void>((resolve, reject) => {
        const values = api.query.System?.Account?.watchValue(to, { at: 'best' });
        assert.ok(values);
        const watching = values.subscribe({
          next: ({ value }) => {
            const { free } = (value as PapiAccount).data;
            if (free !== seen.at(-1)) seen.push(free);
            if (seen.length < 2) return;
            watching.unsubscribe();
            resolve();
          },
          error: reject,
        });
      });
      const steps: string[] = [];
      await new Promise<void>((resolve, reject) => {
        const submission = transfer(to, UNIT).signSubmitAndWatch(signerOf(person('//Alice')));
        submission.subscribe({
          next: ({ type }) => steps.push(type),
          error: reject,
          complete: resolve,
        });
      });
      await changed;
      assert.equal((seen[1] as bigint) - (seen[0] as bigint), UNIT);
      assert.deepEqual([steps[0], steps.at(-1)], ['signed', 'finalized']);
      assert.ok(steps.includes('txBestBlocksState'));
    });

    test('it spoke the generation that this is about', () => {
      const modern = [...asked].filter((name) => /^(chainHead|transaction)_v1_/.test(name));
      if (mode === 'legacy') assert.deepEqual(modern, []);
      else
        for (const name of ['follow', 'header', 'call', 'storage', 'body', 'unpin']) {
          assert.ok(asked.has(`chainHead_v1_${name}`), name);
        }
      assert.equal(asked.has('transaction_v1_broadcast'), mode === 'chainHead');
      assert.equal(asked.has('chain_subscribeFinalizedHeads'), mode === 'legacy');
    });
  });
