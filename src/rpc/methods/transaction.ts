/**
 * # transaction_v1_* and transactionWatch_v1_*: submitting in the new API generation (json-rpc-interface-spec).
 *
 * Always true: bytes that are no valid transaction are no error of `transaction_v1_broadcast`; a broadcast is offered
 * to the pool again with every new head, until it is final, its client stops it or leaves. Bound: MAX_BROADCASTS a
 * connection.
 */
import { type Bytes, equal } from '../../base/bytes.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import type { Backend, ExtrinsicEvent } from '../backend.ts';
import type { Connection } from '../connection.ts';
import { invalidParams, RpcError } from '../errors.ts';
import { toHex } from '../hex.ts';
import { extrinsic, named, subscriptionId } from '../params.ts';
import { type CallContext, type Method, method, subscription } from '../registry.ts';

/** Broadcasts of one connection; beyond them the answer is null, as the specification says. */
const MAX_BROADCASTS = 16;
const OPTIONS = { websocketOnly: true } as const;

export function transactionMethods(): Method[] {
  const broadcasts = new Broadcasts();
  return [
    method('transaction_v1_broadcast', [extrinsic], (context, given) => broadcasts.start(context, given), OPTIONS),
    method(
      'transaction_v1_stop',
      [named('operationId', subscriptionId)],
      ({ connection }, id) => {
        if (!broadcasts.stop(connection as Connection, id)) throw invalidParams('there is no such broadcast');
        return null;
      },
      OPTIONS,
    ),
    ...watchMethods(),
  ];
}

interface Broadcast {
  /** It is final: nothing is done for it any more, and its place is free. */
  isOver: boolean;
  end(): void;
}

/** The broadcasts of every connection. */
class Broadcasts {
  readonly #of = new WeakMap<Connection, Map<string, Broadcast>>();
  readonly #lastFinal = new FinalBlock();
  #next = 1;

  /** Begins one and returns its id; null beyond the limit. */
  start(context: CallContext, extrinsic: Bytes): string | null {
    const connection = context.connection as Connection;
    const started = this.#of.get(connection) ?? new Map<string, Broadcast>();
    this.#of.set(connection, started);
    if (!hasRoom(started)) return null;
    const id = `b${this.#next++}`;
    const broadcast = keepOffering(context, extrinsic.slice(), this.#lastFinal);
    const release = connection.onClose(() => broadcast.end());
    started.set(id, {
      get isOver() {
        return broadcast.isOver;
      },
      end() {
        release();
        broadcast.end();
      },
    });
    return id;
  }

  stop(connection: Connection, id: string): boolean {
    const started = this.#of.get(connection);
    const broadcast = started?.get(id);
    started?.delete(id);
    broadcast?.end();
    return broadcast !== undefined;
  }
}

/** Whether one more may begin: the oldest of those that are over makes room. */
function hasRoom(started: Map<string, Broadcast>): boolean {
  if (started.size < MAX_BROADCASTS) return true;
  for (const [id, broadcast] of started) {
    if (!broadcast.isOver) continue;
    started.delete(id);
    broadcast.end();
    return true;
  }
  return false;
}

/** What the last final block that was looked at holds: every broadcast looks for itself in the same one. */
class FinalBlock {
  #hash: Bytes | undefined;
  #extrinsics = new Set<string>();

  holds(backend: Backend, block: Bytes, extrinsic: string): boolean {
    if (!this.#hash || !equal(this.#hash, block)) {
      this.#hash = block;
      this.#extrinsics = new Set(backend.store.body(block)?.map((one) => toHex(blake2_256(one))));
    }
    return this.#extrinsics.has(extrinsic);
  }
}

/**
 * Offers an extrinsic to the pool with each new head until a final block has it. The pool refuses cheaply what it has;
 * what it dropped, or lost with a branch, is in again. With a new head, all of them wait in the line of dear reads.
 */
function keepOffering({ backend, turns, onFault }: CallContext, extrinsic: Bytes, lastFinal: FinalBlock): Broadcast {
  const name = toHex(blake2_256(extrinsic));
  let isOffering = false;
  const broadcast: Broadcast = {
    isOver: false,
    end() {
      broadcast.isOver = true;
      unfollow();
    },
  };
  const submit = async (): Promise<void> => {
    if (!broadcast.isOver) await backend.submit(extrinsic);
  };
  const offer = async (offered: () => Promise<void>): Promise<void> => {
    if (isOffering) return;
    isOffering = true;
    try {
      await offered();
    } catch (error) {
      if (!(error instanceof RpcError)) onFault(error);
    } finally {
      isOffering = false;
    }
  };
  const unfollow = backend.onEvent((event) => {
    if (event.type === 'head') void offer(async () => turns.run(submit));
    if (event.type !== 'finalized') return;
    if (event.blocks.some(({ hash }) => lastFinal.holds(backend, hash, name))) broadcast.end();
  });
  void offer(submit);
  return broadcast;
}

function watchMethods(): Method[] {
  return subscription(
    {
      subscribe: 'transactionWatch_v1_submitAndWatch',
      notify: 'transactionWatch_v1_watchEvent',
      unsubscribe: 'transactionWatch_v1_unwatch',
    },
    [extrinsic],
    async ({ backend }, sink, given) => {
      const sent = given.slice();
      const indexIn = (block: Bytes): number | undefined =>
        backend.store.body(block)?.findIndex((other) => equal(other, sent));
      let isValidated = false;
      const hear = (event: ExtrinsicEvent): void => {
        const told = watchEvent(event, indexIn);
        if (told.event === 'validated' && isValidated) return;
        // What was retracted has to be validated again, and that is told again.
        isValidated = told.event === 'validated' || (isValidated && event.type !== 'retracted');
        if (event.type !== 'broadcast') sink.emit(told);
        if (LAST.has(told.event)) sink.end();
      };
      try {
        const watch = await backend.submitAndWatch(sent, hear);
        return () => watch.stop();
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        const why = error.data === undefined ? error.message : `${error.message}: ${error.data}`;
        sink.emit({ event: NO_ROOM.has(error.code) ? 'dropped' : 'invalid', error: why });
        sink.end();
        return () => {};
      }
    },
    { unsubscribeAnswer: null },
  );
}

/** Refusals that are the pool's own and not the runtime's: 1016 Immediately Dropped, 1040 too many watches. */
const NO_ROOM: ReadonlySet<number> = new Set([1016, 1040]);
const LAST: ReadonlySet<string> = new Set(['finalized', 'invalid', 'dropped', 'error']);

type WatchEvent = { readonly event: string; readonly [field: string]: unknown };

function watchEvent(event: ExtrinsicEvent, indexIn: (block: Bytes) => number | undefined): WatchEvent {
  switch (event.type) {
    case 'ready':
    case 'future':
    case 'broadcast':
      return { event: 'validated' };
    case 'inBlock':
      return { event: 'bestChainBlockIncluded', block: { hash: toHex(event.block), index: indexIn(event.block) } };
    case 'retracted':
      return { event: 'bestChainBlockIncluded', block: null };
    case 'finalized':
      return { event: 'finalized', block: { hash: toHex(event.block), index: indexIn(event.block) } };
    case 'invalid':
      return { event: 'invalid', error: 'Extrinsic is invalid on the best chain' };
    case 'usurped':
      return { event: 'invalid', error: `Extrinsic was replaced by ${toHex(event.by)}` };
    case 'dropped':
      return { event: 'dropped', error: 'Extrinsic was dropped from the pool' };
    case 'finalityTimeout':
      return { event: 'dropped', error: 'Block of the extrinsic was not finalized in time' };
  }
}
