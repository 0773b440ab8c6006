/**
 * # Session: one follower of `chainHead_v1`: its machine (follow.ts), its headers and its operations.
 *
 * Always true: an operation is named before its first event and says nothing after it was stopped; it reads in the line
 * of dear reads, one page at a time. Bounds: MAX_OPERATIONS under way, the headers of pinned blocks that are not final.
 */
import { type Bytes, equal } from '../../base/bytes.ts';
import { Header } from '../../primitives/header.ts';
import type { StateTree } from '../../state/tree.ts';
import type { ChainEvent } from '../backend.ts';
import type { Connection, Subscription } from '../connection.ts';
import { RpcError } from '../errors.ts';
import { fromHex, toHex } from '../hex.ts';
import { type CallContext, follow } from '../registry.ts';
import { runtimeSpec } from '../runtime-spec.ts';
import { type StorageQuery, storagePages } from '../storage-query.ts';
import { Follow, type FollowBlock, type FollowEvent, type Snapshot } from './follow.ts';

/** Operations of one follow that are under way; the specification asks for 16 at least. */
const MAX_OPERATIONS = 16;
/** Final blocks that `initialized` names. */
const MAX_INITIAL = 8;
/** Pages of one storage operation before the client must say that it wants more. */
const PAGES_BEFORE_WAIT = 4;

const notPinned = (): RpcError => new RpcError(-32801, 'Invalid block hash', 'the block is not pinned by this follow');
const notWithRuntime = (): RpcError => new RpcError(-32802, 'The runtime updates flag must be set');
const notWaiting = (): RpcError => new RpcError(-32803, 'Invalid continue', 'the operation does not wait');
const duplicateHash = (): RpcError => new RpcError(-32804, 'Received duplicate hashes in parameters');

interface Operation {
  resume: (() => void) | undefined;
}

type Started =
  | { readonly result: 'started'; readonly operationId: string; readonly discardedItems?: number }
  | { readonly result: 'limitReached' };

export class Session {
  readonly #context: CallContext & { readonly connection: Connection };
  readonly #sink: Subscription;
  readonly #withRuntime: boolean;
  readonly #follow = new Follow();
  readonly #operations = new Map<string, Operation>();
  /** Headers of pinned blocks: those of pruned branches are gone from the store. */
  readonly #headers = new Map<string, string>();
  #nextOperation = 1;

  constructor(context: CallContext & { readonly connection: Connection }, sink: Subscription, withRuntime: boolean) {
    this.#context = context;
    this.#sink = sink;
    this.#withRuntime = withRuntime;
  }

  /** Tells where the chain stands and then what happens to it; returns what ends that. */
  start(): () => void {
    this.#tell(this.#follow.start(this.#snapshot()));
    const stop = follow(this.#context, this.#sink, (event) => this.#hear(event));
    return () => {
      stop();
      this.#follow.stop();
      this.#operations.clear();
      this.#headers.clear();
    };
  }

  header(hash: Bytes): string | null {
    const name = this.#pinned(hash);
    const header = this.#headers.get(name) ?? hexOf(this.#context.backend.store.header(hash));
    return header ?? null;
  }

  body(hash: Bytes): Started {
    this.#pinned(hash);
    return this.#operate(async (operationId) => {
      const body = await this.#context.turns.run(() => this.#context.backend.store.body(hash));
      if (!body) this.#say(operationId, { event: 'operationInaccessible' });
      else this.#say(operationId, { event: 'operationBodyDone', value: body.map(toHex) });
    });
  }

  call(hash: Bytes, name: string, data: Bytes): Started {
    this.#pinned(hash);
    if (!this.#withRuntime) throw notWithRuntime();
    const { backend, turns } = this.#context;
    return this.#operate(async (operationId) => {
      const result = await turns.run(() => {
        const number = backend.store.number(hash);
        const view = backend.store.view(hash);
        return view && number !== undefined ? backend.runtime.call(view, name, data, { hash, number }) : undefined;
      });
      if (!result) this.#say(operationId, { event: 'operationInaccessible' });
      else if (result.ok) this.#say(operationId, { event: 'operationCallDone', output: toHex(result.output) });
      else this.#say(operationId, { event: 'operationError', error: result.detail });
    });
  }

  /** There are no child tries on this chain: every one is empty. */
  storage(hash: Bytes, queries: readonly StorageQuery[], isChild: boolean): Started {
    this.#pinned(hash);
    const { backend, turns } = this.#context;
    const started = this.#operate(async (operationId, operation) => {
      const view = await turns.run(() => backend.store.view(hash));
      if (!view) this.#say(operationId, { event: 'operationInaccessible' });
      else await this.#sendPages(operationId, operation, view, isChild ? [] : queries);
    });
    return started.result === 'started' ? { ...started, discardedItems: 0 } : started;
  }

  unpin(hashes: readonly Bytes[]): void {
    const names = hashes.map(toHex);
    const outcome = this.#follow.unpin(names);
    if (outcome === 'duplicate') throw duplicateHash();
    if (outcome === 'notPinned') throw notPinned();
    for (const name of names) this.#headers.delete(name);
  }

  stopOperation(operationId: string): void {
    const operation = this.#operations.get(operationId);
    this.#operations.delete(operationId);
    operation?.resume?.();
  }

  continue(operationId: string): void {
    const operation = this.#operations.get(operationId);
    if (!operation?.resume) throw notWaiting();
    operation.resume();
  }

  #pinned(hash: Bytes): string {
    const name = toHex(hash);
    if (!this.#follow.isPinned(name)) throw notPinned();
    return name;
  }

  #operate(run: (operationId: string, operation: Operation) => Promise<void>): Started {
    if (this.#operations.size >= MAX_OPERATIONS) return { result: 'limitReached' };
    const operationId = `o${this.#nextOperation++}`;
    const operation: Operation = { resume: undefined };
    this.#operations.set(operationId, operation);
    this.#context.connection.afterAnswer(() => {
      run(operationId, operation)
        .catch((error) => {
          this.#context.onFault(error);
          this.#say(operationId, { event: 'operationError', error: 'Internal error' });
        })
        .finally(() => this.#operations.delete(operationId));
    });
    return { result: 'started', operationId };
  }

  async #sendPages(
    operationId: string,
    operation: Operation,
    view: StateTree,
    queries: readonly StorageQuery[],
  ): Promise<void> {
    const pages = storagePages(view, queries);
    for (let sent = 0; this.#operations.has(operationId); sent++) {
      if (sent > 0 && sent % PAGES_BEFORE_WAIT === 0) {
        await new Promise<void>((resolve) => {
          operation.resume = resolve;
          this.#say(operationId, { event: 'operationWaitingForContinue' });
        });
        operation.resume = undefined;
      }
      const { done, value } = await this.#context.turns.run(() => pages.next());
      if (done) break;
      this.#say(operationId, { event: 'operationStorageItems', items: value });
    }
    this.#say(operationId, { event: 'operationStorageDone' });
  }

  /** Nothing is said of an operation that was stopped. */
  #say(operationId: string, event: { readonly event: string; readonly [field: string]: unknown }): void {
    if (this.#operations.has(operationId)) this.#sink.emit({ ...event, operationId });
  }

  #hear(event: ChainEvent): void {
    if (event.type === 'imported') {
      const block = this.#blockOf(event.block.hash);
      if (block) this.#tell(this.#follow.imported(block));
    } else if (event.type === 'head') {
      const best = event.enacted.at(-1)?.hash ?? this.#context.backend.store.best.hash;
      this.#tell(this.#follow.head(toHex(best)));
    } else if (event.type === 'finalized')
      this.#tell(this.#follow.finalized(event.blocks.map(({ hash }) => toHex(hash))));
  }

  #tell(events: readonly FollowEvent[]): void {
    for (const event of events) {
      if (event.event === 'newBlock') this.#keepHeader(event.blockHash);
      if (event.event === 'finalized') for (const hash of event.finalizedBlockHashes) this.#headers.delete(hash);
      this.#sink.emit(this.#json(event));
      if (event.event === 'stop') this.#sink.end();
    }
  }

  #json(event: FollowEvent): unknown {
    if (!this.#withRuntime) return event.event === 'newBlock' ? { ...event, newRuntime: null } : event;
    const { version } = this.#context.backend.runtime;
    if (event.event === 'initialized') {
      return { ...event, finalizedBlockRuntime: { type: 'valid', spec: runtimeSpec(version) } };
    }
    // The runtime never changes under a running node.
    return event.event === 'newBlock' ? { ...event, newRuntime: null } : event;
  }

  #keepHeader(name: string): void {
    const header = hexOf(this.#context.backend.store.header(fromHex(name) as Bytes));
    if (header) this.#headers.set(name, header);
  }

  #blockOf(hash: Bytes): FollowBlock | undefined {
    const header = this.#context.backend.store.header(hash);
    return header && { hash: toHex(hash), parent: toHex(Header.dec(header).parentHash) };
  }

  #snapshot(): Snapshot {
    const { backend } = this.#context;
    const { store } = backend;
    const last = backend.finalized();
    const finalized: string[] = [];
    for (let n = Math.max(0, last.number - MAX_INITIAL + 1); n <= last.number; n++) {
      const hash = store.canonical(n);
      if (hash) finalized.push(toHex(hash));
    }
    const blocks: FollowBlock[] = [];
    const queue = [last.hash];
    for (let i = 0; i < queue.length; i++) {
      const parent = queue[i] as Bytes;
      for (const hash of store.children(parent)) {
        if (equal(hash, last.hash)) continue;
        blocks.push({ hash: toHex(hash), parent: toHex(parent) });
        queue.push(hash);
      }
    }
    return { finalized, blocks, best: toHex(store.best.hash) };
  }
}

function hexOf(bytes: Bytes | undefined): string | undefined {
  return bytes && toHex(bytes);
}
