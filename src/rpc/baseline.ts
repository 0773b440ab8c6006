/**
 * # Baseline: the loss of a bigram model over a job's own data, to stand beside the loss of what the job trains.
 *
 * Always true: a job's data never changes, so its baseline is counted once; data above MAX_BYTES is not counted, and
 * nobody can name other blobs than those of jobs.
 */
import type { Bytes } from '../base/bytes.ts';
import { bigramLoss } from '../compute/bigram.ts';
import type { JobSpec } from '../runtime/pallets/jobs/state.ts';
import type { Backend, BlobPort } from './backend.ts';
import { toHex } from './hex.ts';

/** 16 MB take a tenth of a second. */
const MAX_BYTES = 16 * 1_048_576;
/** Baselines that are remembered. */
const REMEMBERED = 256;

const known = new WeakMap<Backend, Map<string, Promise<number | null>>>();

/** Nats per byte on the job's held-out records; null when its records are not here or not bytes of text. */
export async function baselineOf(backend: Backend, job: JobSpec): Promise<number | null> {
  const losses = known.get(backend) ?? new Map<string, Promise<number | null>>();
  known.set(backend, losses);
  const key = `${toHex(job.dataset)}${toHex(job.holdout)}`;
  const counted = losses.get(key) ?? count(backend.blobs, job);
  losses.set(key, counted);
  if (losses.size > REMEMBERED) losses.delete(losses.keys().next().value as string);
  const loss = await counted;
  // The data may arrive later.
  if (loss === null) losses.delete(key);
  return loss;
}

async function count(blobs: BlobPort, job: JobSpec): Promise<number | null> {
  const training = await whole(blobs, job.dataset);
  const heldOut = training && (await whole(blobs, job.holdout));
  if (!training || !heldOut || job.record_bytes < 2 || heldOut.length < job.record_bytes) return null;
  return bigramLoss(training, heldOut, job.record_bytes);
}

async function whole(blobs: BlobPort, id: Bytes): Promise<Bytes | undefined> {
  const stat = await blobs.stat(id);
  if (!stat || stat.length > MAX_BYTES) return undefined;
  const out = new Uint8Array(stat.length);
  for (let at = 0, index = 0; at < out.length; index++) {
    const chunk = await blobs.chunk(id, index);
    if (!chunk) return undefined;
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}
