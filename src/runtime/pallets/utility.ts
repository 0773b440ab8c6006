/**
 * # Utility: several calls in one transaction.
 *
 * Always true: a call that fails undoes itself; `batch_all` undoes everything with it. Events are Substrate's.
 */
import { u32, vec } from '../../codec/index.ts';
import type { Link, RuntimeCall } from '../calls.ts';
import { DispatchError, DispatchFailure } from '../errors.ts';
import { constant, event, type Pallet, pallet, rules, type Scope } from '../pallet.ts';
import { plus, rw, type Weight } from '../weights.ts';

// A batch of 1,000 transfers is 100 KB and a third of a second of weight; more belongs into several transactions.
const BATCHED_CALLS_LIMIT = 1_000;

const Declared = pallet('Utility', {
  index: 11,
  doc: 'Dispatches several calls at once.',
  constants: { batched_calls_limit: constant('Calls in one batch.', u32, () => BATCHED_CALLS_LIMIT) },
  events: {
    BatchInterrupted: event('A batch stopped at a call that failed.', { index: u32, error: DispatchError }),
    BatchCompleted: event('Every call of a batch succeeded.', {}),
    BatchCompletedWithErrors: event('A batch was worked off; some calls failed.', {}),
    ItemCompleted: event('A call of a batch succeeded.', {}),
    ItemFailed: event('A call of a batch failed.', { error: DispatchError }),
  },
  errors: { TooManyCalls: 'The batch has more calls than batched_calls_limit.' },
});
type At = Scope<typeof Declared>;

/** The pallet for a runtime: its calls hold calls of that runtime. */
export function utility(link: Link): Pallet<typeof Declared> {
  const args = { calls: vec(link.Call) };
  const weight = ({ calls }: { calls: readonly RuntimeCall[] }): Weight =>
    calls.reduce((sum, call) => plus(sum, link.info(call).weight), rw(0, 0, 10_000_000n));
  return rules(Declared, {
    calls: {
      batch: {
        index: 0,
        doc: 'Dispatches calls until one fails.',
        args,
        weight,
        origin: 'any',
        run(at, { calls }) {
          checkCount(at, calls);
          for (const [index, call] of calls.entries()) {
            const error = at.dispatch(call);
            if (error !== undefined) return at.emit.BatchInterrupted({ index, error });
            at.emit.ItemCompleted();
          }
          at.emit.BatchCompleted();
        },
      },
      batch_all: {
        index: 2,
        doc: 'Dispatches calls; when one fails, all of them are undone.',
        args,
        weight,
        origin: 'any',
        run(at, { calls }) {
          checkCount(at, calls);
          for (const call of calls) {
            const error = at.dispatch(call);
            if (error !== undefined) throw new DispatchFailure(error, 'a call of a batch failed');
            at.emit.ItemCompleted();
          }
          at.emit.BatchCompleted();
        },
      },
      force_batch: {
        index: 4,
        doc: 'Dispatches calls, whether or not some fail.',
        args,
        weight,
        origin: 'any',
        run(at, { calls }) {
          checkCount(at, calls);
          let failed = false;
          for (const call of calls) {
            const error = at.dispatch(call);
            failed ||= error !== undefined;
            if (error === undefined) at.emit.ItemCompleted();
            else at.emit.ItemFailed({ error });
          }
          if (failed) at.emit.BatchCompletedWithErrors();
          else at.emit.BatchCompleted();
        },
      },
    },
  });
}

function checkCount(at: At, calls: readonly RuntimeCall[]): void {
  at.ensure(calls.length <= BATCHED_CALLS_LIMIT, 'TooManyCalls');
}
