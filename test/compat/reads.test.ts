/**
 * # Reads: what explorers and dashboards read and watch by unmodified clients: many values at once, the past, pages of
 * a map, blocks and events as they come, and what the runtime answers.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ApiPromise } from '@polkadot/api';
import { blake2AsHex } from '@polkadot/util-crypto';
import type { PolkadotClient } from 'polkadot-api';
import type { DevNode } from '../rpc/dev-node.ts';
import {
  type Big,
  connectPapi,
  freeOf,
  known,
  type Outcome,
  only,
  PATIENCE,
  type PapiAccount,
  papiTx,
  person,
  query,
  seen,
  settled,
  signerOf,
  sockets,
  startWallet,
  tx,
  UNIT,
  type Wallet,
} from './wallet.ts';

let dev: DevNode;
let api: ApiPromise;
let stop: Wallet['stop'] | undefined;
/** A transfer that is final before anybody reads. */
let past: Outcome & { readonly number: number };

const transfer = (to: string, value: bigint) => tx(api, 'balances', 'transferKeepAlive', to, value);

before(async () => {
  ({ dev, api, stop } = await startWallet());
  const outcome = await settled(transfer(person('//past').address, UNIT), person('//Alice'), {}, 'Finalized');
  past = { ...outcome, number: (await api.rpc.chain.getHeader(outcome.block)).number.toNumber() };
});

after(async () => {
  await stop?.();
});

interface JsValue {
  readonly data: { readonly free: Big };
}

/** What a subscription of @polkadot/api tells until there is enough of it. */
function gathered<T>(
  subscribe: (listener: (value: T) => void) => Promise<() => void>,
  isEnough: (told: readonly T[]) => boolean,
): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const told: T[] = [];
    let isOver = false;
    const stopping = subscribe((value) => {
      if (isOver) return;
      told.push(value);
      isOver = isEnough(told);
      if (!isOver) return;
      resolve(told);
      stopping.then((stop) => stop(), reject);
    });
    stopping.catch(reject);
  });
}

describe('by @polkadot/api', { concurrency: true }, () => {
  const account = () => known(api.query.system?.account, 'system.account');
  const address = (name: string): string => person(name).address;

  test('a subscription to several accounts tells all of them, then those that change', PATIENCE, async () => {
    const [bob, receiver] = [person('//Bob'), address('//watched')];
    const before = await freeOf(api, bob.address);
    let sending: Promise<Outcome> | undefined;
    const told = await gathered<bigint[]>(
      async (listener) => {
        const stop = await account().multi([bob.address, receiver], (values: unknown[]) => {
          listener((values as JsValue[]).map(({ data }) => data.free.toBigInt()));
          sending ??= settled(transfer(receiver, UNIT), bob);
        });
        return stop as unknown as () => void;
      },
      (values) => values.length === 2,
    );
    await sending;
    assert.deepEqual(told[0], [before, 0n]);
    assert.equal(told[1]?.[1], UNIT);
    assert.ok((told[1]?.[0] as bigint) < before - UNIT);
  });

  test('several items are read in one question, and say what each says alone', PATIENCE, async () => {
    const [eve, deposit] = [address('//Eve'), known(api.query.balances?.totalIssuance, 'balances.totalIssuance')];
    const at = await api.at(past.block);
    const [value, issued] = (await at.queryMulti([[account(), eve], deposit])) as unknown as [JsValue, Big];
    const alone = (await at.query.system?.account?.(eve)) as unknown as JsValue;
    assert.equal(value.data.free.toBigInt(), alone.data.free.toBigInt());
    assert.equal(String(await at.query.balances?.totalIssuance?.()), String(issued));
  });

  test('a map is read page by page, in order and without a gap', PATIENCE, async () => {
    const at = await api.at(past.block);
    const entry = known(at.query.system?.account, 'system.account');
    const all = (await entry.keys()).map((key) => key.toHex());
    assert.deepEqual(all, [...all].sort());
    const paged: string[] = [];
    for (let page = 0; ; page++) {
      assert.ok(page < 20, 'pages end');
      const startKey = paged.at(-1);
      const entries = await entry.entriesPaged({ args: [], pageSize: 3, ...(startKey && { startKey }) });
      if (entries.length === 0) break;
      assert.ok(entries.length <= 3);
      paged.push(...entries.map(([key]) => key.toHex()));
    }
    assert.deepEqual(paged, all);
    assert.ok(all.length >= 7 && (await entry.entries()).length === all.length);
  });

  test('size and hash of a value are those of its bytes', PATIENCE, async () => {
    const key = account().key(address('//Eve'));
    const raw = String(await api.rpc.state.getStorage.raw(key, past.block));
    assert.equal((await api.rpc.state.getStorageSize(key, past.block)).toNumber(), (raw.length - 2) / 2);
    assert.equal((await api.rpc.state.getStorageHash(key, past.block)).toHex(), blake2AsHex(raw as `0x${string}`));
  });

  test('the past reads as it was, one block after the other', PATIENCE, async () => {
    const { parentHash, number } = await api.rpc.chain.getHeader(past.block);
    const freeAt = async (hash: string): Promise<bigint> => {
      const value = (await (await api.at(hash)).query.system?.account?.(address('//past'))) as unknown as JsValue;
      return value.data.free.toBigInt();
    };
    assert.deepEqual([await freeAt(parentHash.toHex()), await freeAt(past.block)], [0n, UNIT]);
    const changes = await api.rpc.state.queryStorage([account().key(address('//past'))], parentHash, past.block);
    assert.equal((changes as unknown as unknown[]).length, 2);
    const later = await api.rpc.chain.getBlockHash(number.toNumber() + 1);
    assert.equal((await api.rpc.chain.getHeader(later)).parentHash.toHex(), past.block);
  });

  test('headers hash to their names, by the codec of the client', PATIENCE, async () => {
    for (let number = past.number; number > 0; number--) {
      const hash = await api.rpc.chain.getBlockHash(number);
      const header = await api.rpc.chain.getHeader(hash);
      assert.equal(header.hash.toHex(), hash.toHex());
      const before = await api.rpc.chain.getBlockHash(number - 1);
      assert.equal(header.parentHash.toHex(), before.toHex());
    }
  });

  test('every imported head is told, and best and final numbers are derived', PATIENCE, async () => {
    const heads = await gathered<{ number: { toNumber(): number } }>(
      async (listener) => (await api.rpc.chain.subscribeAllHeads(listener)) as unknown as () => void,
      (told) => told.length === 3,
    );
    const numbers = heads.map(({ number }) => number.toNumber());
    const [from = 0] = numbers;
    assert.deepEqual(numbers, [from, from + 1, from + 2]);
    const final = (await api.derive.chain.bestNumberFinalized()).toNumber();
    const best = (await api.derive.chain.bestNumber()).toNumber();
    assert.ok(best >= from && final <= best && best - final < 64);
  });

  test('who subscribes to events sees what others do', PATIENCE, async () => {
    const to = address('//seen');
    let sending: Promise<Outcome> | undefined;
    const told = await gathered<{ event: Parameters<typeof seen>[0] }[]>(
      async (listener) => {
        const entry = known(api.query.system?.events, 'system.events');
        const stop = await entry((records: unknown) => {
          listener(records as { event: Parameters<typeof seen>[0] }[]);
          sending ??= settled(transfer(to, UNIT), person('//Charlie'));
        });
        return stop as unknown as () => void;
      },
      (blocks) => blocks.at(-1)?.some(({ event }) => String(seen(event).fields.to) === to) ?? false,
    );
    const moved = (told.at(-1) ?? []).map(({ event }) => seen(event)).filter(({ fields }) => String(fields.to) === to);
    assert.equal(String(only(moved, 'balances.Transfer').amount), String(UNIT));
    assert.equal((await sending)?.error, undefined);
  });

  test('a derived block says who signed what, and what came of it', PATIENCE, async () => {
    const { author, extrinsics } = await api.derive.chain.getBlock(past.block);
    assert.equal(author?.toString(), address('//Alice//stash'));
    const own = known(extrinsics[past.index], 'the transfer');
    assert.equal(own.extrinsic.signer.toString(), address('//Alice'));
    assert.equal(own.dispatchError, undefined);
    assert.ok(own.dispatchInfo?.class.isNormal);
    assert.ok(own.events.some(({ method }) => method === 'Transfer'));
    const byNumber = await api.derive.chain.getBlockByNumber(past.number);
    assert.equal(byNumber.block.hash.toHex(), past.block);
  });

  test('runtime version, health, properties and roles are what the chain says', PATIENCE, async () => {
    const [version] = await gathered<{ specVersion: { toNumber(): number } }>(
      async (listener) => (await api.rpc.state.subscribeRuntimeVersion(listener)) as unknown as () => void,
      (told) => told.length === 1,
    );
    assert.equal(version?.specVersion.toNumber(), dev.node.config.spec.specVersion);
    const { isSyncing, peers, shouldHavePeers } = await api.rpc.system.health();
    assert.deepEqual([isSyncing.isTrue, peers.toNumber(), typeof shouldHavePeers.isTrue], [false, 0, 'boolean']);
    const properties = await api.rpc.system.properties();
    assert.equal(properties.ss58Format.unwrap().toNumber(), 42);
    assert.equal(String(await api.rpc.system.chainType()), 'Development');
    const { methods } = await api.rpc.rpc.methods();
    assert.ok(methods.length > 80);
    const declared = await query<Big>(api, 'timestamp', 'now');
    assert.ok(Math.abs(Number(declared.toBigInt()) - Date.now()) < 3_600_000);
  });
});

/** An observable of polkadot-api. */
interface Watched<T> {
  subscribe(next: (value: T) => void, error: (error: unknown) => void): { unsubscribe(): void };
}

/** The first values of an observable that are enough. */
function first<T>(values: Watched<T>, isEnough: (told: readonly T[]) => boolean): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const told: T[] = [];
    const next = (value: T): void => {
      told.push(value);
      if (!isEnough(told)) return;
      resolve(told);
      // It may tell at once, before there is anything to end.
      queueMicrotask(() => watching.unsubscribe());
    };
    const watching = values.subscribe(next, reject);
  });
}

for (const mode of ['chainHead', 'legacy'] as const)
  describe(`by polkadot-api through ${mode}`, { concurrency: true }, () => {
    let client: PolkadotClient;
    before(() => {
      client = connectPapi(dev.ws, sockets(new Set(), mode === 'legacy'));
    });
    after(() => client?.destroy());

    const accounts = () => known(client.getUnsafeApi().query.System?.Account, 'System.Account');
    const send = (by: string, to: string) => {
      const args = { dest: { type: 'Id', value: person(to).address }, value: UNIT };
      return papiTx(client, 'Balances', 'transfer_keep_alive', args).signAndSubmit(signerOf(person(by)));
    };

    test('several accounts, all of them, and a block of long ago', PATIENCE, async () => {
      const [alice, nobody] = [person('//Alice').address, person('//nobody at all').address];
      const [one, none] = (await accounts().getValues([[alice], [nobody]])) as [PapiAccount, PapiAccount];
      assert.ok(one.data.free > 0n && one.nonce >= 1);
      assert.deepEqual([none.nonce, none.data.free], [0, 0n]);
      const entries = (await accounts().getEntries()) as { keyArgs: [string]; value: PapiAccount }[];
      assert.ok(entries.some(({ keyArgs }) => keyArgs[0] === person('//past').address));
      const genesis = api.genesisHash.toHex();
      const then = (await accounts().getValue(alice, { at: genesis })) as PapiAccount;
      assert.deepEqual([then.nonce, then.data.free], [0, 100_000n * UNIT]);
      const early = await accounts().getEntries({ at: genesis });
      assert.ok(early.length < entries.length && !early.some(({ keyArgs }) => keyArgs[0] === person('//past').address));
    });

    test('header and body of a block, whether it is new or old', PATIENCE, async () => {
      const finalized = await client.getFinalizedBlock();
      for (const hash of [finalized.hash, past.block]) {
        const header = await client.getBlockHeader(hash);
        const js = await api.rpc.chain.getHeader(hash);
        assert.deepEqual([header.number, header.stateRoot], [js.number.toNumber(), js.stateRoot.toHex()]);
        const body = await client.getBlockBody(hash);
        const { block } = await api.rpc.chain.getBlock(hash);
        assert.deepEqual(
          body.map((bytes) => blake2AsHex(bytes)),
          block.extrinsics.map((extrinsic) => extrinsic.hash.toHex()),
        );
      }
    });

    test('blocks as they come, each after its parent, the best above the final one', PATIENCE, async () => {
      const blocks = await first(client.blocks$, (told) => told.length >= 8);
      const met = new Set(blocks.slice(0, 1).map(({ hash }) => hash));
      for (const { hash, parent } of blocks.slice(1)) {
        assert.ok(met.has(parent));
        met.add(hash);
      }
      const [best] = await first(client.bestBlocks$, (told) => (told.at(-1)?.length ?? 0) >= 2);
      const numbers = (best ?? []).map(({ number }) => number);
      assert.deepEqual(
        numbers,
        numbers.map((_, i) => (numbers[0] as number) - i),
      );
    });

    test('events of others as their blocks are final, and the accounts that they opened', PATIENCE, async () => {
      const to = `//${mode}//watched`;
      const transfers = known(client.getUnsafeApi().event.Balances?.Transfer, 'Balances.Transfer');
      const isMine = ({ payload }: { payload: unknown }): boolean =>
        (payload as { to: string }).to === person(to).address;
      const isTo = ({ args }: { args: unknown[] }): boolean => args[0] === person(to).address;
      const watching = first(transfers.watch(), (told) => told.at(-1)?.events.some(isMine) ?? false);
      const entries = first(accounts().watchEntries(), (told) => told.at(-1)?.deltas?.upserted.some(isTo) ?? false);
      const done = await send(mode === 'legacy' ? '//Dave' : '//Ferdie', to);
      assert.equal((await watching).at(-1)?.block.hash, done.block.hash);
      const told = await entries;
      const opened = known(told.at(-1)?.entries.find(isTo), to).value as PapiAccount;
      assert.equal(opened.data.free, UNIT);
      assert.equal(told[0]?.entries.some(isTo), false);
    });

    test('what the runtime answers to its own functions', PATIENCE, async () => {
      const { apis, constants } = client.getUnsafeApi();
      const ask = (name: string, fn: string, ...args: unknown[]) => known(apis[name]?.[fn], `${name}.${fn}`)(...args);
      assert.ok(Number(await ask('AccountNonceApi', 'account_nonce', person('//Alice').address)) >= 1);
      assert.deepEqual(await ask('Metadata', 'metadata_versions'), [14, 15, 16]);
      const version = (await ask('Core', 'version')) as { spec_version: number };
      const constant = (await constants.System?.Version?.()) as { spec_version: number };
      assert.equal(version.spec_version, constant.spec_version);
      assert.equal(await client.rawQuery(':heappages'), null);
    });
  });
