/**
 * # Contestants: chains that take signed transfers through a WebSocket and put them into blocks.
 *
 * Always true: each is a process of its own that began with the same accounts funded; a transfer is signed by the
 * account's main kind of key (sr25519 for Substrate's, secp256k1 for Ethereum's) before it is sent; what is counted as
 * included is the nonce of every sender in the state of the best block, and the recipient's balance must agree.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import { type Bytes, concat, fromHex, littleEndian, toHex } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { keypairFromSeed } from '../../src/crypto/keypair.ts';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import { parseChainSpec, runtimeSpec } from '../../src/node/chain-spec.ts';
import { signExtrinsic } from '../../src/primitives/extrinsic.ts';
import { PALLETS } from '../../src/runtime/pallets/index.ts';
import { System } from '../../src/runtime/pallets/system.ts';
import { createRuntime } from '../../src/runtime/runtime.ts';
import { storageKey } from '../../src/runtime/storage.ts';
import { AccountInfo } from '../../src/runtime/types.ts';
import { DevMiner } from '../rpc/dev-node.ts';
import { HOST, transferCall, UNIT } from '../runtime/test-chain.ts';
import { anvilBinary, chopsticksScript, substrateSpec } from './peers.ts';
import { freePort, type Server, specWith, startNode, startServer, stopServer } from './server.ts';

export interface Contestant {
  readonly server: Server;
  readonly rpc: RpcClient;
  /** Takes one signed transfer. */
  readonly method: string;
  /** A transfer of a sender, ready to be sent. */
  sign(sender: number, nonce: number): string;
  /** Transfers of a sender that are in blocks. */
  included(sender: number): Promise<number>;
  /** Transfers that reached their recipient. */
  received(): Promise<number>;
  stop(): Promise<void>;
}

const BLOCK_MS = 1_000;

/** Calls on a connection at once. */
const PIPELINED = 100;
const POLL_MS = 50;

/** Sends what is signed, in order, with PIPELINED calls on their way. */
export async function sendAll({ rpc, method }: Contestant, signed: readonly string[]): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < signed.length; at = next++) await rpc.call(method, [signed[at]]);
  };
  await Promise.all(Array.from({ length: PIPELINED }, lane));
}

/** Waits until `each` transfers of every sender are in blocks. */
export async function allIncluded(chain: Contestant, senders: number, each: number, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (let sender = 0; sender < senders; ) {
    if ((await chain.included(sender)) >= each) sender++;
    else if (performance.now() > deadline) throw new Error(`transfers of sender ${sender} are not included in time`);
    else await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** A seed for each sender; one more is the recipient. */
function seed(index: number): Bytes {
  return blake2_256(littleEndian(BigInt(index), 4));
}

export function connected(port: number): Promise<RpcClient> {
  return new Promise((resolve) => {
    const rpc = new RpcClient(`ws://127.0.0.1:${port}`, (isConnected) => {
      if (isConnected) resolve(rpc);
    });
  });
}

export interface OurNode extends Contestant {
  readonly specFile: string;
  /** Begins to mine for it, from here; it fills its blocks with what waits. */
  mine(): void;
  rest(): void;
}

/** This node, which does not mine yet; its database is on disk. `nodeArgs` are for the engine that runs it. */
export async function ours(senders: number, nodeArgs: readonly string[] = []): Promise<OurNode> {
  const folder = mkdtempSync(join(tmpdir(), 'maitoken-bench-'));
  const pairs = Array.from({ length: senders + 1 }, (_, i) => keypairFromSeed('sr25519', seed(i)));
  const accounts = pairs.map(({ accountId }) => accountId);
  const specText = specWith(accounts, BLOCK_MS);
  const specFile = join(folder, 'spec.json');
  writeFileSync(specFile, specText);
  const chain = ['--chain', specFile, '--alice', '--base-path', folder];
  const server = await startNode([...chain, '--no-miner', '--no-checker'], nodeArgs);
  const rpc = await connected(server.port);
  let miner: DevMiner | undefined;
  const runtime = createRuntime({ pallets: PALLETS, spec: runtimeSpec(parseChainSpec(specText, 'bench')), host: HOST });
  const { specVersion, transactionVersion } = runtime.spec;
  const genesisHash = fromHex(await rpc.call<string>('chain_getBlockHash', [0]));
  const implicit = { specVersion, transactionVersion, genesisHash, birthHash: genesisHash };
  const value = UNIT / 1_000n;
  const call = runtime.Call.enc(transferCall('transfer_keep_alive', accounts[senders] as Bytes, value));
  const account = async (index: number) => {
    const key = toHex(storageKey(System.storage.Account, [accounts[index] as Bytes]));
    return AccountInfo.dec(fromHex(await rpc.call<string>('state_getStorage', [key])));
  };
  const { free } = (await account(senders)).data;
  return {
    server,
    rpc,
    specFile,
    method: 'author_submitExtrinsic',
    mine() {
      miner ??= new DevMiner(`ws://127.0.0.1:${server.port}`);
    },
    rest() {
      miner?.stop();
      miner = undefined;
    },
    sign(sender, nonce) {
      const extra = { era: { type: 'Immortal' }, nonce, tip: 0n } as const;
      return toHex(signExtrinsic(call, extra, implicit, pairs[sender] as (typeof pairs)[0]).bytes);
    },
    included: async (sender) => (await account(sender)).nonce,
    received: async () => Number(((await account(senders)).data.free - free) / value),
    async stop() {
      miner?.stop();
      rpc.close();
      await stopServer(server);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const CHAIN_ID = 31_337n;
const GAS_PRICE = 10n ** 12n;
const TRANSFER_GAS = 21_000n;
const ETHER = 10n ** 18n;

/** Bytes of a number without leading zeros: none for 0. */
function bigEndian(value: bigint): Bytes {
  if (value === 0n) return new Uint8Array();
  const hex = value.toString(16);
  return fromHex(`0x${hex.padStart(hex.length + (hex.length % 2), '0')}`);
}

function rlpItem(bytes: Bytes): Bytes {
  if (bytes.length === 1 && (bytes[0] as number) < 0x80) return bytes;
  // Nothing here is longer than a hash.
  return concat(Uint8Array.of(0x80 + bytes.length), bytes);
}

function rlpList(items: readonly Bytes[]): Bytes {
  const body = concat(...items.map(rlpItem));
  if (body.length < 56) return concat(Uint8Array.of(0xc0 + body.length), body);
  return concat(Uint8Array.of(0xf8, body.length), body);
}

function ethereumAddress(secret: Bytes): Bytes {
  return keccak_256(secp256k1.getPublicKey(secret, false).subarray(1)).subarray(12);
}

/** A legacy transfer with the chain's id (EIP-155), in hex. */
function ethereumTransfer(secret: Bytes, nonce: number, to: Bytes, value: bigint): string {
  const fields = [bigEndian(BigInt(nonce)), bigEndian(GAS_PRICE), bigEndian(TRANSFER_GAS), to, bigEndian(value)];
  const body = [...fields, new Uint8Array()];
  const hash = keccak_256(rlpList([...body, bigEndian(CHAIN_ID), new Uint8Array(), new Uint8Array()]));
  const signature = secp256k1.sign(hash, secret, { prehash: false, format: 'recovered' });
  const [r, s] = [signature.subarray(1, 33), signature.subarray(33, 65)].map((half) => BigInt(toHex(half)));
  const v = CHAIN_ID * 2n + 35n + BigInt(signature[0] as number);
  return toHex(rlpList([...body, bigEndian(v), bigEndian(r as bigint), bigEndian(s as bigint)]));
}

/** Anvil, a block a second: `--block-time` costs it less than a block for each transfer, its default. */
export async function anvil(senders: number): Promise<Contestant> {
  const file = anvilBinary();
  const port = await freePort();
  const args = ['--port', String(port), '--silent', '--block-time', String(BLOCK_MS / 1_000)];
  const server = await startServer({ file, args, port, method: 'web3_clientVersion' });
  const rpc = await connected(port);
  const secrets = Array.from({ length: senders }, (_, i) => seed(i));
  const addresses = secrets.map((secret) => toHex(ethereumAddress(secret)));
  for (const address of addresses) await rpc.call('anvil_setBalance', [address, `0x${(10n * ETHER).toString(16)}`]);
  const to = ethereumAddress(seed(senders));
  const value = ETHER / 1_000n;
  return {
    server,
    rpc,
    method: 'eth_sendRawTransaction',
    sign: (sender, nonce) => ethereumTransfer(secrets[sender] as Bytes, nonce, to, value),
    included: async (sender) =>
      Number(await rpc.call<string>('eth_getTransactionCount', [addresses[sender], 'latest'])),
    received: async () => Number(BigInt(await rpc.call<string>('eth_getBalance', [toHex(to), 'latest'])) / value),
    async stop() {
      rpc.close();
      await stopServer(server);
    },
  };
}

type Provider = NonNullable<NonNullable<ConstructorParameters<typeof ApiPromise>[0]>['provider']>;

/** Chopsticks with a real Substrate runtime: a block of what came within 0.1 s, its default. */
export async function chopsticks(senders: number): Promise<Contestant> {
  const script = chopsticksScript();
  const folder = mkdtempSync(join(tmpdir(), 'maitoken-bench-'));
  const keyring = new Keyring({ type: 'sr25519' });
  const pairs = Array.from({ length: senders + 1 }, (_, i) => keyring.addFromSeed(seed(i)));
  const keys = pairs.map(({ publicKey }) => toHex(storageKey(System.storage.Account, [publicKey])));
  const spec = JSON.parse(substrateSpec()) as { genesis: { raw: { top: Record<string, string> } } };
  const [nonce, consumers, providers, sufficients, free] = [0, 0, 1, 0, 10n * UNIT];
  const data = { free, reserved: 0n, frozen: 0n, flags: 0n };
  const endowed = toHex(AccountInfo.enc({ nonce, consumers, providers, sufficients, data }));
  for (const key of keys) spec.genesis.raw.top[key] = endowed;
  writeFileSync(join(folder, 'spec.json'), JSON.stringify(spec));
  const port = await freePort();
  const chain = [script, '--chain-spec', join(folder, 'spec.json')];
  const args = [...chain, '--host', '127.0.0.1', '--port', String(port)];
  const env = { LOG_LEVEL: 'error' };
  const server = await startServer({ file: process.execPath, args, port, method: 'system_chain', env });
  const provider = new WsProvider(`ws://127.0.0.1:${port}`) as unknown as Provider;
  const api = await ApiPromise.create({ provider, noInitWarn: true });
  const { genesisHash, runtimeVersion } = api;
  const value = UNIT / 1_000n;
  const call = api.tx.balances?.transferKeepAlive?.(pairs[senders]?.address as string, value);
  await api.disconnect();
  const rpc = await connected(port);
  const account = async (index: number) =>
    AccountInfo.dec(fromHex(await rpc.call<string>('state_getStorage', [keys[index]])));
  return {
    server,
    rpc,
    method: 'author_submitExtrinsic',
    sign(sender, nonce) {
      const options = {
        nonce,
        era: api.createType('ExtrinsicEra'),
        tip: 0,
        genesisHash,
        blockHash: genesisHash,
        runtimeVersion,
      };
      return call?.sign(pairs[sender] as (typeof pairs)[0], options).toHex() as string;
    },
    included: async (sender) => (await account(sender)).nonce,
    received: async () => Number(((await account(senders)).data.free - free) / value),
    async stop() {
      rpc.close();
      await stopServer(server);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
