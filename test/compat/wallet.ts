/**
 * # Wallet: what the tests of unmodified clients share: how they connect, who signs, and what became of it.
 */
import assert from 'node:assert/strict';
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import type { SignerOptions, SubmittableExtrinsic } from '@polkadot/api/types';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { createClient, InvalidTxError, type PolkadotClient } from 'polkadot-api';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { getWsProvider } from 'polkadot-api/ws';
import { DevMiner, type DevNode, startDevNode } from '../rpc/dev-node.ts';

export const UNIT = 1_000_000_000_000n;
/** A promise that hangs fails its test by name. */
export const PATIENCE = { timeout: 60_000 };
export const SCHEMES = ['sr25519', 'ed25519', 'ecdsa'] as const;
export type Scheme = (typeof SCHEMES)[number];
export type Person = ReturnType<Keyring['addFromUri']>;
export type Extrinsic = SubmittableExtrinsic<'promise'>;

type Provider = NonNullable<NonNullable<Parameters<typeof ApiPromise.create>[0]>['provider']>;

/** @polkadot/api over this socket. */
export async function connectJs(socket: WsProvider): Promise<ApiPromise> {
  await cryptoWaitReady();
  // Its own types do not agree with each other under exactOptionalPropertyTypes.
  const provider = socket as unknown as Provider;
  return ApiPromise.create({ provider, noInitWarn: true, throwOnConnect: true });
}

/** A dev node that makes blocks, and @polkadot/api on it. */
export interface Wallet {
  readonly dev: DevNode;
  readonly api: ApiPromise;
  /** Ends all of it. */
  stop(): Promise<void>;
}

export async function startWallet(): Promise<Wallet> {
  const dev = await startDevNode();
  const miner = new DevMiner(dev.ws);
  const api = await connectJs(new WsProvider(dev.ws));
  const stop = async (): Promise<void> => {
    await api.disconnect();
    miner.stop();
    await dev.stop();
  };
  return { dev, api, stop };
}

/** polkadot-api over sockets of this class. */
export function connectPapi(ws: string, websocketClass: typeof WebSocket = WebSocket): PolkadotClient {
  return createClient(getWsProvider(ws, { websocketClass }));
}

/** The account of a secret URI, as a wallet keeps it. */
export function person(suri: string, scheme: Scheme = 'sr25519'): Person {
  return new Keyring({ type: scheme }).addFromUri(suri);
}

const SIGNING_TYPES = { sr25519: 'Sr25519', ed25519: 'Ed25519', ecdsa: 'Ecdsa' } as const;

/** The same account for polkadot-api; what its key signs may be another's words. */
export function signerOf(one: Person, keyOf: Person = one) {
  return getPolkadotSigner(one.addressRaw, SIGNING_TYPES[keyOf.type as Scheme], (input) => keyOf.sign(input));
}

/** A member that this chain's metadata lists; the library's types know no chain. */
export function known<T>(value: T | undefined, name: string): T {
  assert.ok(value !== undefined, `${name} is in the metadata`);
  return value;
}

/** A call as @polkadot/api makes it. */
export function tx(api: ApiPromise, section: string, method: string, ...args: unknown[]): Extrinsic {
  return known(api.tx[section]?.[method], `${section}.${method}`)(...args);
}

/** A call as polkadot-api makes it. */
export function papiTx(client: PolkadotClient, pallet: string, name: string, args: unknown) {
  return known(client.getUnsafeApi().tx[pallet]?.[name], `${pallet}.${name}`)(args);
}

/** A value of the best block as @polkadot/api decodes it, in the shape that the caller knows. */
export async function query<T>(api: ApiPromise, section: string, item: string, ...keys: unknown[]): Promise<T> {
  return (await known(api.query[section]?.[item], `${section}.${item}`)(...keys)) as unknown as T;
}

/** What the codecs of @polkadot/api make of a big number. */
export interface Big {
  toBigInt(): bigint;
}

interface JsAccount {
  readonly nonce: { toNumber(): number };
  readonly data: { readonly free: Big; readonly reserved: Big };
}

export function accountOf(api: ApiPromise, address: string): Promise<JsAccount> {
  return query<JsAccount>(api, 'system', 'account', address);
}

export async function freeOf(api: ApiPromise, address: string): Promise<bigint> {
  return (await accountOf(api, address)).data.free.toBigInt();
}

export interface PapiAccount {
  readonly nonce: number;
  readonly data: { readonly free: bigint; readonly reserved: bigint };
}

export async function papiAccountOf(client: PolkadotClient, address: string): Promise<PapiAccount> {
  const item = known(client.getUnsafeApi().query.System?.Account, 'System.Account');
  return (await item.getValue(address, { at: 'best' })) as PapiAccount;
}

/** An event as @polkadot/api decoded it: `section.Name` and its fields by its names for them. */
export interface EventSeen {
  readonly name: string;
  readonly fields: Readonly<Record<string, { toString(): string; toJSON(): unknown }>>;
}

export interface Outcome {
  /** What was said of it, in order; broadcasts are left out: whom they reach is not this test's. */
  readonly statuses: readonly string[];
  readonly block: string;
  readonly index: number;
  readonly events: readonly EventSeen[];
  /** `section.Name` of a pallet's error, `Token.Name`, or the kind; undefined where the call succeeded. */
  readonly error: string | undefined;
}

const ENDS = ['Usurped', 'Dropped', 'Invalid', 'FinalityTimeout'];

/** Submits what is signed and watches it until it has this status or will have no other. */
export function follow(signed: Extrinsic, last: 'InBlock' | 'Finalized' = 'InBlock') {
  const statuses: string[] = [];
  const done = new Promise<Outcome>((resolve, reject) => {
    let stop: (() => void) | undefined;
    let isOver = false;
    signed
      .send((result) => {
        const { status, dispatchError, internalError } = result;
        if (internalError) reject(internalError);
        if (!status.isBroadcast) statuses.push(status.type);
        if (status.type !== last && !ENDS.includes(status.type)) return;
        const block = status.isInBlock ? status.asInBlock : status.isFinalized ? status.asFinalized : '';
        const error = dispatchError && errorName(dispatchError);
        const events = result.events.map(({ event }) => seen(event));
        resolve({ statuses, block: block.toString(), index: result.txIndex ?? -1, events, error });
        isOver = true;
        stop?.();
      })
      .then((unsubscribe) => {
        stop = unsubscribe;
        if (isOver) stop();
      })
      .catch(reject);
  });
  return { statuses, done };
}

/** Signs, submits, and says what became of it. */
export async function settled(
  call: Extrinsic,
  by: Person,
  options: Partial<SignerOptions> = {},
  last: 'InBlock' | 'Finalized' = 'InBlock',
): Promise<Outcome> {
  return follow(await call.signAsync(by, options), last).done;
}

interface RawEvent {
  readonly section: string;
  readonly method: string;
  readonly data: { readonly names: string[] | null } & Iterable<EventSeen['fields'][string]>;
}

export function seen({ section, method, data }: RawEvent): EventSeen {
  const fields = [...data].map((field, i) => [data.names?.[i] ?? String(i), field]);
  return { name: `${section}.${method}`, fields: Object.fromEntries(fields) };
}

type DispatchError = NonNullable<Parameters<NonNullable<Parameters<Extrinsic['send']>[0]>>[0]['dispatchError']>;

/** How a call failed, as a wallet shows it. */
function errorName(error: DispatchError): string {
  if (error.isModule) {
    const { section, name } = error.registry.findMetaError(error.asModule);
    return `${section}.${name}`;
  }
  return error.isToken ? `Token.${error.asToken.type}` : error.type;
}

export const names = (events: readonly EventSeen[]): string[] => events.map(({ name }) => name);

/** The only event of this name. */
export function only(events: readonly EventSeen[], name: string): EventSeen['fields'] {
  const found = events.filter((event) => event.name === name);
  assert.equal(found.length, 1, `${name} among ${names(events)}`);
  return (found[0] as EventSeen).fields;
}

/** What an extrinsic cost its signer, as the chain said. */
export function feeOf(events: readonly EventSeen[]): bigint {
  return BigInt(String(only(events, 'transactionPayment.TransactionFeePaid').actualFee));
}

/** An estimate is good when it is off by at most a hundredth of itself. */
export function assertNear(paid: bigint, estimate: bigint): void {
  const error = paid > estimate ? paid - estimate : estimate - paid;
  assert.ok(estimate > 0n && error * 100n <= estimate, `paid ${paid}, estimated ${estimate}`);
}

/** Code and data of the refusal that a submission by @polkadot/api must end in. */
export async function refusalOf(submission: Promise<unknown>): Promise<readonly [code: unknown, data: unknown]> {
  try {
    await submission;
  } catch (error) {
    const { code, data } = error as { readonly code?: unknown; readonly data?: unknown };
    if (code === undefined) throw error;
    return [code, data];
  }
  return assert.fail('it was taken');
}

/** The kind of the refusal that a submission by polkadot-api must end in. */
export async function invalidOf(submission: Promise<unknown>): Promise<string> {
  try {
    await submission;
  } catch (error) {
    if (!(error instanceof InvalidTxError)) throw error;
    const { type, value } = error.error as { readonly type: string; readonly value: { readonly type: string } };
    return `${type}.${value.type}`;
  }
  return assert.fail('it was taken');
}

export interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: readonly unknown[] & { readonly result?: { readonly operationId?: string } };
  readonly result?: { readonly methods?: string[]; readonly operationId?: string };
}

/** A socket class that shows what is sent, and may change what is heard. */
export function listening(
  sent: (request: Message) => void,
  heard: (message: Message) => unknown = (message) => message,
): typeof WebSocket {
  return class extends WebSocket {
    override send(data: string): void {
      for (const request of [JSON.parse(data) as Message | Message[]].flat()) sent(request);
      super.send(data);
    }

    override addEventListener(type: string, listener: unknown, ...rest: unknown[]): void {
      const hear = listener as (event: { data: string }) => void;
      const changed = ({ data }: { data: string }): void =>
        hear({ data: JSON.stringify(heard(JSON.parse(data) as Message)) });
      super.addEventListener(type, (type === 'message' ? changed : hear) as never, ...(rest as []));
    }
  } as typeof WebSocket;
}

const MODERN = /^(chainHead|archive|transaction|transactionWatch|chainSpec)_/;

/** Notes the methods asked for, and may hide those of the new generation from `rpc_methods`. */
export function sockets(asked: Set<string>, isLegacy: boolean): typeof WebSocket {
  return listening(
    ({ method }) => asked.add(String(method)),
    (message) => {
      const methods = isLegacy && message.result?.methods?.filter((name) => !MODERN.test(name));
      return methods ? { ...message, result: { methods } } : message;
    },
  );
}
