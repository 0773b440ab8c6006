/**
 * # Operations: what a follower of `chainHead_v1` asks of its blocks: in pages, within bounds, until it says stop or is
 * told it; and what is left of a branch that was pruned.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Bytes, equal } from '../../src/base/bytes.ts';
import type { ChainEffect } from '../../src/consensus/chain.ts';
import { DepthFinality } from '../../src/consensus/finality/depth.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { toHex } from '../../src/rpc/hex.ts';
import { type MadeBlock, MINERS, makeBlock, Node, note } from '../consensus/world.ts';
import { type Port, startPort, until } from './stub.ts';

interface Event {
  readonly event: string;
  readonly operationId?: string;
  readonly items?: readonly { readonly key: string }[];
  readonly [field: string]: unknown;
}

interface Said {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly code: number };
  readonly params?: { readonly result: Event };
}

const PAGES_BEFORE_WAIT = 4;
const PAGE = 256;
const MAX_OPERATIONS = 16;
const MAX_LAG = 128;
/** With those of the genesis, half of what is sent before a client must say that it wants more. */
const NOTES = Array.from({ length: (PAGES_BEFORE_WAIT * PAGE) / 2 }, (_, i) => note(i));
const ALL = { key: '0x', type: 'descendantsValues' };

let world: Node;
let port: Port;
/** The block with the notes. */
let noted: string;

before(async () => {
  await installFastPaths();
  world = new Node({ finality: new DepthFinality(2) });
  const [block] = world.grow(1, undefined, { extrinsics: NOTES });
  noted = toHex((block as MadeBlock).hash);
  port = await startPort({}, { store: world.store, finalized: () => world.chain.finalized() });
});

after(async () => {
  await port?.stop();
  assert.deepEqual(port.faults, []);
});

/** A client that follows, and everything it was told of its blocks. */
class Follower {
  readonly events: Event[] = [];
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (said: Said) => void>();
  #next = 1;
  id = '';

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const said = JSON.parse(String(data)) as Said;
      if (said.params) this.events.push(said.params.result);
      else this.#waiting.get(said.id as number)?.(said);
    };
  }

  static async begin(t: { after(work: () => void): void }): Promise<Follower> {
    const socket = new WebSocket(port.ws);
    t.after(() => socket.close());
    await new Promise((resolve) => {
      socket.onopen = resolve;
    });
    const follower = new Follower(socket);
    await follower.again();
    return follower;
  }

  async again(): Promise<void> {
    this.id = (await this.#say('chainHead_v1_follow', [true])).result as string;
  }

  /** Asks something of this follow. */
  ask(method: string, ...params: unknown[]): Promise<Said> {
    return this.#say(`chainHead_v1_${method}`, [this.id, ...params]);
  }

  /** Begins an operation and returns its id. */
  async begin(method: string, ...params: unknown[]): Promise<string> {
    const { result, operationId } = (await this.ask(method, ...params)).result as Event;
    assert.equal(result, 'started');
    return operationId as string;
  }

  of(operationId: string): Event[] {
    return this.events.filter((event) => event.operationId === operationId);
  }

  async last(operationId: string): Promise<Event> {
    await until('it says something', () => this.of(operationId).length > 0);
    return this.of(operationId).at(-1) as Event;
  }

  async waits(operationId: string): Promise<void> {
    await until('it waits', () => this.of(operationId).at(-1)?.event === 'operationWaitingForContinue');
  }

  #say(method: string, params: unknown[]): Promise<Said> {
    const id = this.#next++;
    this.#socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }
}

test('storage comes in pages, and after four of them waits until the client wants more', async (t) => {
  const client = await Follower.begin(t);
  const operation = await client.begin('storage', noted, [ALL, ALL, ALL]);
  await client.waits(operation);
  const sizes = (): (number | undefined)[] => client.of(operation).map(({ items }) => items?.length);
  assert.deepEqual(sizes(), [PAGE, PAGE, PAGE, PAGE, undefined]);
  assert.deepEqual((await client.ask('continue', operation)).result, null);
  await until('it is done', () => client.of(operation).at(-1)?.event === 'operationStorageDone');
  const keys = client.of(operation).flatMap(({ items }) => items?.map(({ key }) => key) ?? []);
  const view = world.store.view(world.store.canonical(1) as Bytes);
  const known = view?.keys(new Uint8Array(0), undefined, 10_000).map(toHex) ?? [];
  assert.ok(known.length > NOTES.length);
  assert.deepEqual(keys, [...known, ...known, ...known]);
  assert.equal((await client.ask('continue', operation)).error?.code, -32803);
});

test('an operation that was stopped says nothing more, and cannot be continued', async (t) => {
  const client = await Follower.begin(t);
  const operation = await client.begin('storage', noted, [ALL, ALL, ALL]);
  await client.waits(operation);
  const told = client.of(operation).length;
  assert.equal((await client.ask('stopOperation', operation)).result, null);
  assert.equal((await client.ask('continue', operation)).error?.code, -32803);
  assert.equal((await client.ask('stopOperation', operation)).result, null, 'to stop what is over is no error');
  const other = await client.begin('body', noted);
  assert.equal((await client.last(other)).event, 'operationBodyDone');
  assert.equal(client.of(operation).length, told);
});

test('a follow has sixteen operations at a time, of whatever kind; one that ends makes room', async (t) => {
  const client = await Follower.begin(t);
  const operations: string[] = [];
  for (let i = 0; i < MAX_OPERATIONS; i++) operations.push(await client.begin('storage', noted, [ALL, ALL, ALL]));
  for (const operation of operations) await client.waits(operation);
  const limit = { result: 'limitReached' };
  assert.deepEqual((await client.ask('storage', noted, [ALL])).result, limit);
  assert.deepEqual((await client.ask('body', noted)).result, limit);
  assert.deepEqual((await client.ask('call', noted, 'Core_version', '')).result, limit);
  assert.match((await client.ask('header', noted)).result as string, /^0x/, 'a header is no operation');
  const follower = await Follower.begin(t);
  assert.equal((await follower.last(await follower.begin('body', noted))).event, 'operationBodyDone');
  await client.ask('stopOperation', operations[3]);
  const call = await client.begin('call', noted, 'Core_version', '');
  assert.equal((await client.last(call)).event, 'operationCallDone');
  await client.ask('continue', operations[4]);
  await until('one is done', () => client.of(operations[4] as string).at(-1)?.event === 'operationStorageDone');
  assert.equal((await client.last(await client.begin('body', noted))).event, 'operationBodyDone');
});

test('a call that the runtime does not know is an error of its operation', async (t) => {
  const client = await Follower.begin(t);
  const failed = await client.last(await client.begin('call', noted, 'Nothing_here', '0x'));
  assert.equal(failed.event, 'operationError');
  assert.equal(typeof failed.error, 'string');
});

test('with the end of its follow an operation ends, without a word', async (t) => {
  const client = await Follower.begin(t);
  const operation = await client.begin('storage', noted, [ALL, ALL, ALL]);
  await client.waits(operation);
  await client.ask('unfollow');
  const told = client.events.length;
  assert.deepEqual((await client.ask('body', noted)).result, { result: 'limitReached' });
  await client.again();
  await until('the new follow began', () => client.events.length > told);
  assert.equal(client.of(operation).at(-1)?.event, 'operationWaitingForContinue');
  assert.equal((await client.ask('continue', operation)).error?.code, -32803, 'it is none of the new follow');
});

/** Passes on what the chain's machine did, as a node's loop does. */
function tell(effects: readonly ChainEffect[]): void {
  for (const effect of effects) {
    if (effect.type === 'imported') port.tell({ type: 'imported', block: effect });
    else if (effect.type === 'head' || effect.type === 'finalized') port.tell(effect);
  }
}

/** The chain grows by blocks of which followers are told. */
function grow(count: number): void {
  const from = world.said.length;
  world.grow(count);
  tell(world.said.slice(from));
}

test('of a block that was pruned the header is left, and its body and state are inaccessible', async (t) => {
  const client = await Follower.begin(t);
  const lost = makeBlock(world.store, world.store.best.hash, { miner: MINERS[1] });
  grow(1);
  tell(world.give(lost));
  grow(4);
  const name = toHex(lost.hash);
  const pruned = (): unknown[] => client.events.flatMap(({ prunedBlockHashes }) => prunedBlockHashes ?? []);
  await until('it is pruned', () => pruned().includes(name));
  assert.equal((await client.ask('header', name)).result, toHex(lost.header));
  for (const [method, ...params] of [['body'], ['call', 'Core_version', '0x'], ['storage', [ALL]]] as const) {
    const told = await client.last(await client.begin(method, name, ...params));
    assert.equal(told.event, 'operationInaccessible', method);
  }
  assert.equal((await client.ask('unpin', name)).result, null);
  assert.equal((await client.ask('header', name)).error?.code, -32801);
});

test('a follower that never unpins is told stop, and begins anew', async (t) => {
  const client = await Follower.begin(t);
  const diligent = await Follower.begin(t);
  for (let i = 0; i <= MAX_LAG / 8; i++) {
    grow(8);
    const height = world.store.best.number;
    await until('it is told', () => diligent.events.some(({ bestBlockHash }) => isAt(bestBlockHash, height)));
    const final = diligent.events.splice(0).flatMap((event) => (event.finalizedBlockHashes as string[]) ?? []);
    assert.equal((await diligent.ask('unpin', final)).result, null);
  }
  await until('it is over', () => client.events.at(-1)?.event === 'stop');
  const best = toHex(world.store.best.hash);
  assert.equal((await client.ask('header', best)).result, null);
  assert.deepEqual((await client.ask('body', best)).result, { result: 'limitReached' });
  assert.equal((await client.ask('unpin', best)).result, null);
  await client.again();
  assert.equal((await client.last(await client.begin('body', best))).event, 'operationBodyDone');
  assert.ok(diligent.events.every(({ event }) => event !== 'stop'));
  assert.match((await diligent.ask('header', best)).result as string, /^0x/);
});

function isAt(hash: unknown, height: number): boolean {
  const at = world.store.canonical(height);
  return at !== undefined && toHex(at) === hash && equal(at, world.store.best.hash);
}
