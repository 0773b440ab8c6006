/**
 * # archive_v1_*: blocks and states of the past in the new API generation (json-rpc-interface-spec).
 *
 * Always true: an unknown block is null, never an error; a state that was pruned is an error by name.
 */
import type { Bytes } from '../../base/bytes.ts';
import { toHex } from '../hex.ts';
import { bytes, functionName, hash, height, named, optional } from '../params.ts';
import { type CallContext, type Method, method, subscription } from '../registry.ts';
import { storagePages, storageQueries } from '../storage-query.ts';

const PRUNED = 'State already discarded; an archive node (--state-pruning archive) has it';

export function archiveMethods(): Method[] {
  return [
    method('archive_v1_genesisHash', [], ({ backend }) => toHex(backend.store.genesis.hash)),
    method('archive_v1_finalizedHeight', [], ({ backend }) => backend.finalized().number),
    method('archive_v1_hashByHeight', [height], (context, at) => hashesAt(context, at).map(toHex)),
    method('archive_v1_header', [hash], ({ backend }, at) => {
      const header = backend.store.header(at);
      return header ? toHex(header) : null;
    }),
    method('archive_v1_body', [hash], ({ backend, turns }, at) =>
      turns.run(() => backend.store.body(at)?.map(toHex) ?? null),
    ),
    method('archive_v1_call', [hash, functionName, bytes], ({ backend, turns }, at, name, data) =>
      turns.run(() => {
        const number = backend.store.number(at);
        if (number === undefined) return null;
        const view = backend.store.view(at);
        if (!view) return { success: false, error: PRUNED };
        const result = backend.runtime.call(view, name, data, { hash: at, number });
        return result.ok ? { success: true, value: toHex(result.output) } : { success: false, error: result.detail };
      }),
    ),
    ...storageMethods(),
  ];
}

function storageMethods(): Method[] {
  return subscription(
    {
      subscribe: 'archive_v1_storage',
      notify: 'archive_v1_storageEvent',
      unsubscribe: 'archive_v1_stopStorage',
    },
    [hash, storageQueries, optional(named('childTrie', bytes))],
    ({ backend, turns, connection, onFault }, sink, given, queries, child) => {
      const at = given.slice();
      const read = async (): Promise<void> => {
        const view = await turns.run(() => backend.store.view(at));
        if (!view) {
          const error = backend.store.number(at) === undefined ? 'Block not found' : PRUNED;
          sink.emit({ event: 'storageError', error });
          return;
        }
        // There are no child tries on this chain: every one is empty.
        const pages = storagePages(view, child === undefined ? queries : []);
        while (!sink.isOver) {
          const { done, value } = await turns.run(() => pages.next());
          if (done) break;
          for (const item of value) sink.emit({ event: 'storage', ...item });
        }
        sink.emit({ event: 'storageDone' });
      };
      connection.afterAnswer(() => {
        read()
          .catch((error) => {
            onFault(error);
            sink.emit({ event: 'storageError', error: 'Internal error' });
          })
          .finally(() => sink.end());
      });
      return () => {};
    },
    { unsubscribeAnswer: null },
  );
}

/** The final block of a height, or all known blocks above. */
function hashesAt({ backend }: CallContext, at: number): Bytes[] {
  const { store } = backend;
  const last = backend.finalized();
  if (at <= last.number) {
    const found = store.canonical(at);
    return found ? [found] : [];
  }
  let row = [last.hash];
  for (let n = last.number; n < at && row.length > 0; n++) row = row.flatMap((parent) => store.children(parent));
  return row;
}
