/**
 * # Work: something long that is done in pieces, so that whoever does it can do other things in between.
 *
 * Always true: what comes out does not depend on when the pieces are done. Between two pieces a work holds nothing that
 * others may change.
 */

/** Each `next` does one bounded piece; the last one returns what came out. */
export type Work<T> = Generator<undefined, T, undefined>;

/** Does all that is left of it. */
export function finish<T>(work: Work<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** Does at most `pieces` of it, at least one. */
export function advance<T>(work: Work<T>, pieces: number): IteratorResult<undefined, T> {
  let result = work.next();
  for (let count = 1; count < pieces && !result.done; count++) result = work.next();
  return result;
}
