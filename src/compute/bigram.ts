/**
 * # Bigram: what a table of byte pairs would lose on the same held-out text, to measure a trained model against.
 *
 * Always true: it sees the training records once and the held-out records not at all before it is scored on them. A
 * number for people: no block depends on it, so it may use logarithms.
 *
 * p(b | a) = (n(a, b) + MU p(b)) / (n(a) + MU), with p(b) = (n(b) + 1) / (N + 256): the Dirichlet smoothing of Zhai and
 * Lafferty, A study of smoothing methods for language models (2004).
 */
import type { Bytes } from '../base/bytes.ts';

const BYTES = 256;
/** Weight of the unigram in counts; 2 to 20 differ by less than 0.01 nats on the devnet's corpus. */
const MU = 8;

/**
 * Mean loss of every byte of every held-out record after its first, in nats. `recordBytes` of at least 2; both texts
 * are whole records, and the held-out one is not empty (otherwise NaN).
 */
export function bigramLoss(training: Bytes, heldOut: Bytes, recordBytes: number): number {
  const pairs = new Uint32Array(BYTES * BYTES);
  const before = new Uint32Array(BYTES);
  const after = new Uint32Array(BYTES);
  let total = 0;
  eachPair(training, recordBytes, (a, b) => {
    pairs[a * BYTES + b] = at(pairs, a * BYTES + b) + 1;
    before[a] = at(before, a) + 1;
    after[b] = at(after, b) + 1;
    total++;
  });
  let loss = 0;
  let scored = 0;
  eachPair(heldOut, recordBytes, (a, b) => {
    const unigram = (at(after, b) + 1) / (total + BYTES);
    loss -= Math.log((at(pairs, a * BYTES + b) + MU * unigram) / (at(before, a) + MU));
    scored++;
  });
  return loss / scored;
}

function eachPair(text: Bytes, recordBytes: number, use: (a: number, b: number) => void): void {
  for (let start = 0; start + recordBytes <= text.length; start += recordBytes) {
    for (let i = start + 1; i < start + recordBytes; i++) use(text[i - 1] as number, text[i] as number);
  }
}

function at(counts: Uint32Array, index: number): number {
  return counts[index] as number;
}
