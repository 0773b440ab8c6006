/**
 * # polkadot-api: the unmodified PAPI client against a node over WebSocket, through `chainHead_v1_*` and, where a node
 * lists none of the new API generation, through its fallback to the legacy methods.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Binary, createClient, type PolkadotClient } from 'polkadot-api';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { getWsProvider } from 'polkadot-api/ws';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { DevMiner, type DevNode, startDevNode } from '../rpc/dev-node.ts';

const UNIT = 1_000_000_000_000n;
const PATIENCE = { timeout: 60_000 };

const MODERN = /^(chainHead|archive|transaction|transactionWatch|chainSpec)_/;

/** A socket class that notes the methods asked for, and may hide those of the new generation from `rpc_methods`. */
function sockets(asked: Set<string>, isLegacy: boolean): typeof WebSocket {
  return class extends WebSocket {
    override send(data: string): void {
      const given = JSON.parse(data) as { method: string } | { method: string }[];
      for (const { method } of [given].flat()) asked.add(method);
      super.send(data);
    }

    override addEventListener(type: string, listener: unknown, ...rest: unknown[]): void {
      const hear = listener as (event: { data: string }) => void;
      const heard = ({ data }: { data: string }): void => hear({ data: isLegacy ? withoutModern(data) : data });
      super.addEventListener(type, (type === 'message' ? heard : hear) as never, ...(rest as []));
    }
  } as typeof WebSocket;
}

function withoutModern(text: string): string {
  const said = JSON.parse(text) as { result?: { methods?: string[] } };
  const methods = said.result?.methods?.filter((name) => !MODERN.test(name));
  return methods ? JSON.stringify({ ...said, result: { methods } }) : text;
}

for (const mode of ['chainHead', 'legacy'] as const)
  describe(`through ${mode}`, () => {
    let dev: DevNode;
    let miner: DevMiner;
    let client: PolkadotClient;
    const asked = new Set<string>();

    before(async () => {
      dev = await startDevNode();
      miner = new DevMiner(dev.ws);
      client = createClient(getWsProvider(dev.ws, { websocketClass: sockets(asked, mode === 'legacy') }));
    });

    after(async () => {
      client?.destroy();
      miner?.stop();
      await dev?.stop();
    });

    const alice = keypairFromSuri('//Alice', 'sr25519');
    const addressOf = (suri: string): string => ss58Encode(keypairFromSuri(suri, 'sr25519').accountId, 42);

    interface Account {
      readonly nonce: number;
      readonly data: { readonly free: bigint };
    }

    const accountOf = async (address: string): Promise<Account> => {
      const item = client.getUnsafeApi().query.System?.Account;
      assert.ok(item);
      return (await item.getValue(address)) as Account;
    };

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
      const call = client.getUnsafeApi().tx.Balances?.transfer_keep_alive;
      assert.ok(call);
      const tx = call({ dest: { type: 'Id', value: to }, value: 2n * UNIT });
      const estimate = await tx.getEstimatedFees(addressOf('//Alice'));
      const signer = getPolkadotSigner(alice.publicKey, 'Sr25519', (input) => alice.sign(input));
      const done = await tx.signAndSubmit(signer);
      assert.ok(done.ok);
      assert.equal((await accountOf(to)).data.free - before.data.free, 2n * UNIT);
      const paid = sender.data.free - (await accountOf(addressOf('//Alice'))).data.free - 2n * UNIT;
      const error = paid > estimate ? paid - estimate : estimate - paid;
      assert.ok(error * 100n <= estimate, `paid ${paid}, estimated ${estimate}`);
    });

    test('what the chain refuses is told with its reason', PATIENCE, async () => {
      const call = client.getUnsafeApi().tx.System?.remark;
      assert.ok(call);
      const poor = keypairFromSuri('//Nobody', 'sr25519');
      const signer = getPolkadotSigner(poor.publicKey, 'Sr25519', (input) => poor.sign(input));
      const refused = call({ remark: Binary.fromText('hello') }).signAndSubmit(signer);
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
            const { free } = (value as Account).data;
            if (free !== seen.at(-1)) seen.push(free);
            if (seen.length < 2) return;
            watching.unsubscribe();
            resolve();
          },
          error: reject,
        });
      });
      const tx = api.tx.Balances?.transfer_keep_alive?.({ dest: { type: 'Id', value: to }, value: UNIT });
      assert.ok(tx);
      const steps: string[] = [];
      const signer = getPolkadotSigner(alice.publicKey, 'Sr25519', (input) => alice.sign(input));
      await new Promise<void>((resolve, reject) => {
        tx.signSubmitAndWatch(signer).subscribe({
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
