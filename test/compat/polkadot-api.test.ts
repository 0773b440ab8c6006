/**
 * # polkadot-api: the unmodified PAPI client against a node over WebSocket. `rpc_methods` lists no chainHead_*, so the
 * client speaks the legacy methods.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Binary, createClient, type PolkadotClient } from 'polkadot-api';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { getWsProvider } from 'polkadot-api/ws';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { DevMiner, type DevNode, startDevNode } from '../rpc/dev-node.ts';

const UNIT = 1_000_000_000_000n;
const PATIENCE = { timeout: 60_000 };

let dev: DevNode;
let miner: DevMiner;
let client: PolkadotClient;

before(async () => {
  dev = await startDevNode();
  miner = new DevMiner(dev.ws);
  client = createClient(getWsProvider(dev.ws));
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
