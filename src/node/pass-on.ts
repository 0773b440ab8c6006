/**
 * # Pass on: a new peer is told what waits in the pool, for gossip carries nothing twice.
 *
 * Always true: one question is asked, of the first that waits and of at most 256 KiB (docs/spec/wire.md).
 */
import type { Bytes } from '../base/bytes.ts';
import type { Network } from '../p2p/network.ts';
import { TransactionsBatch } from '../sync/messages.ts';

const PASS_ON_COUNT = 256;
const PASS_ON_BYTES = 255 * 1024;
const PASS_ON = { timeoutMs: 8_000, maxBytes: 0 };

/** Tells the peer; resolves to what it was told, nothing when it hung up or was busy: others have it too. */
export async function passOn(network: Network, peer: string, pending: readonly Bytes[]): Promise<readonly Bytes[]> {
  const extrinsics = firstOf(pending);
  if (extrinsics.length === 0) return [];
  try {
    await network.request(peer, 'transactions', TransactionsBatch.enc({ repeat: 0, extrinsics }), PASS_ON);
    return extrinsics;
  } catch (error) {
    if ((error as Error).name !== 'RequestError') throw error;
    return [];
  }
}

/** The first extrinsics that go into one question. */
function firstOf(extrinsics: readonly Bytes[]): Bytes[] {
  const out: Bytes[] = [];
  let bytes = 0;
  for (const extrinsic of extrinsics) {
    // Its length stands before it in up to 4 bytes.
    bytes += extrinsic.length + 4;
    if (out.length === PASS_ON_COUNT || bytes > PASS_ON_BYTES) break;
    out.push(extrinsic);
  }
  return out;
}
