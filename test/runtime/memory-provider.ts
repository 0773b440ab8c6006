/** # MemoryProvider: what `@polkadot/api` asks of a node, answered by a test chain without a node. */
import { ApiPromise } from '@polkadot/api';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { headerJson } from '../../src/primitives/header.ts';
import type { TestChain } from './test-chain.ts';

type Answer = (params: readonly unknown[]) => unknown;

/** The part of `ProviderInterface` that the client uses; finality is immediate here, each block is best and final. */
class MemoryProvider {
  readonly hasSubscriptions = true;
  readonly isClonable = false;
  readonly isConnected = true;
  private readonly methods: ReadonlyMap<string, Answer>;

  constructor(chain: TestChain) {
    this.methods = new Map(Object.entries(answers(chain)));
  }

  clone(): this {
    return this;
  }

  connect(): Promise<void> {
    return Promise.resolve();
  }

  disconnect(): Promise<void> {
    return Promise.resolve();
  }

  on(type: string, listener: () => void): () => void {
    if (type === 'connected') queueMicrotask(listener);
    return () => undefined;
  }

  async send<T>(method: string, params: readonly unknown[]): Promise<T> {
    const answer = this.methods.get(method);
    if (answer === undefined) throw new Error(`no method ${method}`);
    return answer(params) as T;
  }

  async subscribe(
    _type: string,
    method: string,
    params: readonly unknown[],
    listener: (error: Error | null, result: unknown) => void,
  ): Promise<number> {
    const answer = await this.send<unknown>(method, params);
    queueMicrotask(() => listener(null, answer));
    return 1;
  }

  unsubscribe(): Promise<boolean> {
    return Promise.resolve(true);
  }
}

function answers(chain: TestChain): Record<string, Answer> {
  const { version } = chain.runtime;
  const versionJson = {
    specName: version.spec_name,
    implName: version.impl_name,
    authoringVersion: version.authoring_version,
    specVersion: version.spec_version,
    implVersion: version.impl_version,
    apis: version.apis.map(([id, number]) => [toHex(id), number]),
    transactionVersion: version.transaction_version,
    systemVersion: version.system_version,
    stateVersion: 1,
  };
  const best = () => toHex(chain.at.hash);
  const storage = (key: unknown) => {
    const found = chain.tree.get(fromHex(String(key)));
    return found === undefined ? null : toHex(found);
  };
  const query: Answer = ([keys]) => [{ block: best(), changes: (keys as string[]).map((key) => [key, storage(key)]) }];
  return {
    chain_getBlockHash: ([number]) => (number === 0 ? toHex(chain.genesisHash) : best()),
    chain_getFinalizedHead: best,
    chain_getHeader: () => headerJson(chain.header),
    chain_subscribeNewHead: () => headerJson(chain.header),
    chain_subscribeNewHeads: () => headerJson(chain.header),
    rpc_methods: () => ({ methods: Object.keys(answers(chain)) }),
    state_call: ([fn, data]) => {
      const called = chain.runtime.call(chain.tree, String(fn), fromHex(String(data)), chain.at);
      if (!called.ok) throw new Error(called.detail);
      return toHex(called.output);
    },
    state_getKeysPaged: ([prefix, count, start]) =>
      chain.tree
        .keys(fromHex(String(prefix)), typeof start === 'string' ? fromHex(start) : undefined, Number(count))
        .map(toHex),
    state_getMetadata: () => toHex(chain.runtime.metadata(14)),
    state_getRuntimeVersion: () => versionJson,
    state_getStorage: ([key]) => storage(key),
    state_queryStorageAt: query,
    state_subscribeRuntimeVersion: () => versionJson,
    state_subscribeStorage: (params) => (query(params) as unknown[])[0],
    system_chain: () => 'Test',
    system_health: () => ({ peers: 0, isSyncing: false, shouldHavePeers: false }),
    system_properties: () => ({ ss58Format: 42, tokenDecimals: 12, tokenSymbol: 'UNIT' }),
  };
}

/** A chain as `@polkadot/api` sees it. */
export async function connect(chain: TestChain): Promise<ApiPromise> {
  // The provider type asks for members that the client never uses.
  const provider = new MemoryProvider(chain) as unknown;
  return ApiPromise.create({ provider, noInitWarn: true, throwOnConnect: true } as Parameters<
    typeof ApiPromise.create
  >[0]);
}
