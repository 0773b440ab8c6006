/**
 * # transaction_v1_* and transactionWatch_v1_*: submitting in the new API generation (json-rpc-interface-spec).
 *
 * Always true: bytes that are no valid transaction are no error of `transaction_v1_broadcast`; a broadcast is offered
 * to the pool again with a new head, until it is in, its client stops it or leaves. Bound: MAX_BROADCASTS a connection.
 */
import { type Bytes, equal } from '../../base/bytes.ts';
import type { ExtrinsicEvent } from '../backend.ts';
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

/** The broadcasts of every connection. */
class Broadcasts {
  readonly #of = new WeakMap<Connection, Map<string, () => void>>();
  #next = 1;

  /** Begins one and returns its id; null beyond the limit. */
  start(context: CallContext, extrinsic: Bytes): string | null {
    const connection = context.connection as Connection;
    const started = this.#of.get(connection) ?? new Map<string, () => void>();
    this.#of.set(connection, started);
    if (started.size >= MAX_BROADCASTS) return null;
    const stop = keepOffering(context, extrinsic.slice());
    const release = connection.onClose(stop);
    const id = `b${this.#next++}`;
    started.set(id, () => {
      release();
      stop();
    });
    return id;
  }

  stop(connection: Connection, id: string): boolean {
    const stop = this.#of.get(connection)?.get(id);
    this.#of.get(connection)?.delete(id);
    stop?.();
    return stop !== undefined;
  }
}

/** Offers an extrinsic to the pool until it is in, and with each new head while it is not; returns what ends that. */
function keepOffering({ backend, onFault }: CallContext, extrinsic: Bytes): () => void {
  let [isOver, isOffering] = [false, false];
  const end = (): void => {
    isOver = true;
    unfollow();
  };
  const offer = async (): Promise<void> => {
    if (isOver || isOffering) return;
    isOffering = true;
    try {
      await backend.submit(extrinsic);
      end();
    } catch (error) {
      if (!(error instanceof RpcError)) onFault(error);
    } finally {
      isOffering = false;
    }
  };
  const unfollow = backend.onEvent((event) => {
    if (event.type === 'head') void offer();
  });
  void offer();
  return end;
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
        if (told.event === 'validated') isValidated = true;
        if (event.type !== 'broadcast') sink.emit(told);
        if (LAST.has(told.event)) sink.end();
      };
      try {
        const watch = await backend.submitAndWatch(sent, hear);
        return () => watch.stop();
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        const why = error.data === undefined ? error.message : `${error.message}: ${error.data}`;
        sink.emit({ event: 'invalid', error: why });
        sink.end();
        return () => {};
      }
    },
    { unsubscribeAnswer: null },
  );
}

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
