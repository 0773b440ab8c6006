/** # author_*: submitting and watching extrinsics (CLIENTS.md section 2). */

import type { ExtrinsicEvent } from '../backend.ts';
import { toHex } from '../hex.ts';
import { account, bytes, extrinsic, keyType, named, publicKey, text } from '../params.ts';
import { type Method, method, subscription } from '../registry.ts';

/** As src/crypto/suri.ts reads at most. */
const MAX_SURI_CHARS = 1_024;
/** After these nothing more happens to an extrinsic: the subscription ends by itself and makes room for another. */
const LAST: ReadonlySet<ExtrinsicEvent['type']> = new Set([
  'finalized',
  'finalityTimeout',
  'usurped',
  'dropped',
  'invalid',
]);

export function authorMethods(): Method[] {
  return [
    method('author_submitExtrinsic', [extrinsic], async ({ backend }, given) =>
      toHex(await backend.submit(given.slice())),
    ),
    method('author_pendingExtrinsics', [], ({ backend }) => backend.pending().map(toHex)),
    method(
      'author_insertKey',
      [keyType, named('suri', text(MAX_SURI_CHARS)), publicKey],
      async ({ backend }, type, suri, given) => {
        await backend.keys.insert(type, suri, given);
        return null;
      },
      { unsafe: true },
    ),
    method('author_rotateKeys', [], async ({ backend }) => toHex(await backend.keys.rotate()), { unsafe: true }),
    method(
      'author_rotateKeysWithOwner',
      [named('owner', account)],
      async ({ backend }, owner) => {
        const { keys, proof } = await backend.keys.rotateWithOwner(owner);
        return { keys: toHex(keys), proof: toHex(proof) };
      },
      { unsafe: true },
    ),
    method('author_hasKey', [publicKey, keyType], ({ backend }, given, type) => backend.keys.has(given, type), {
      unsafe: true,
    }),
    method(
      'author_hasSessionKeys',
      [named('sessionKeys', bytes)],
      ({ backend }, keys) => backend.keys.hasSession(keys),
      { unsafe: true },
    ),
    ...subscription(
      {
        subscribe: 'author_submitAndWatchExtrinsic',
        notify: 'author_extrinsicUpdate',
        unsubscribe: 'author_unwatchExtrinsic',
      },
      [extrinsic],
      async ({ backend }, sink, given) => {
        const watch = await backend.submitAndWatch(given.slice(), (event) => {
          sink.emit(statusJson(event));
          if (LAST.has(event.type)) sink.end();
        });
        return () => watch.stop();
      },
    ),
  ];
}

function statusJson(event: ExtrinsicEvent): unknown {
  switch (event.type) {
    case 'ready':
    case 'future':
    case 'dropped':
    case 'invalid':
      return event.type;
    case 'broadcast':
      return { broadcast: event.peers };
    case 'usurped':
      return { usurped: toHex(event.by) };
    default:
      return { [event.type]: toHex(event.block) };
  }
}
