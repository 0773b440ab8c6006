/**
 * # Utility: calls that make calls: several in one transaction, one in another name, one if another fails.
 *
 * Always true: a call that fails undoes itself; `batch_all` undoes everything with it. What a sender may not call he
 * may not call through here either. Nothing is stored. Events are Substrate's.
 */
import { type Bytes, concat, littleEndian, utf8 } from '../../base/bytes.ts';
import { type Codec, u16, u32, vec } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import type { Link, RuntimeCall } from '../calls.ts';
import { DispatchError, DispatchResult, passOn, resultOf } from '../errors.ts';
import { OriginCaller, originOf } from '../origins.ts';
import { constant, event, type Pallet, pallet, rules, type Scope } from '../pallet.ts';
import { plus, rw, Weight } from '../weights.ts';

// A batch of 1,000 transfers is 100 KB and a third of a second of weight; more belongs into several transactions.
const BATCHED_CALLS_LIMIT = 1_000;

const Declared = pallet('Utility', {
  index: 11,
  doc: 'Dispatches several calls at once, or a call in another way.',
  constants: { batched_calls_limit: constant('Calls in one batch.', u32, () => BATCHED_CALLS_LIMIT) },
  events: {
    BatchInterrupted: event('A batch stopped at a call that failed.', { index: u32, error: DispatchError }),
    BatchCompleted: event('Every call of a batch succeeded.', {}),
    BatchCompletedWithErrors: event('A batch was worked off; some calls failed.', {}),
    ItemCompleted: event('A call of a batch succeeded.', {}),
    ItemFailed: event('A call of a batch failed.', { error: DispatchError }),
    DispatchedAs: event('A call was made in the name of another origin.', { result: DispatchResult }),
    IfElseMainSuccess: event('The first of two calls succeeded.', {}),
    IfElseFallbackCalled: event('The first of two calls failed, the second was made.', { main_error: DispatchError }),
  },
  errors: { TooManyCalls: 'The batch has more calls than batched_calls_limit.' },
});
type At = Scope<typeof Declared>;

const OVERHEAD = rw(0, 0, 10_000_000n);

/** The account that `who` controls by `as_derivative` under this number: Substrate's derivation. */
export function derivative(who: Bytes, index: number): Bytes {
  return blake2_256(concat(utf8('modlpy/utilisuba'), who, littleEndian(BigInt(index), 2)));
}

/** The pallet for a runtime: its calls hold calls of that runtime. */
export function utility(link: Link): Pallet<typeof Declared> {
  const weightOf = (call: RuntimeCall): Weight => link.info(call).weight;
  const around = ({ call }: { readonly call: RuntimeCall }): Weight => plus(OVERHEAD, weightOf(call));
  /** Dispatches calls until `failed` says so; returns what they took. */
  const each = (at: At, calls: readonly RuntimeCall[], failed: (error: DispatchError, index: number) => boolean) => {
    at.ensure(calls.length <= BATCHED_CALLS_LIMIT, 'TooManyCalls');
    let took = OVERHEAD;
    for (const [index, call] of calls.entries()) {
      const error = at.dispatch(call);
      took = plus(took, at.spent ?? weightOf(call));
      if (error === undefined) at.emit.ItemCompleted();
      else if (failed(error, index)) break;
    }
    return took;
  };
  const batch = {
    args: { calls: vec(link.Call) },
    weight: ({ calls }: { readonly calls: readonly RuntimeCall[] }) => plus(OVERHEAD, ...calls.map(weightOf)),
    origin: 'any',
  } as const;
  const asArgs: { as_origin: Codec<OriginCaller>; call: Codec<RuntimeCall> } = {
    as_origin: OriginCaller,
    call: link.Call,
  };
  return rules(Declared, {
    calls: {
      batch: {
        index: 0,
        doc: 'Dispatches calls until one fails.',
        ...batch,
        run(at, { calls }) {
          let interrupted = false;
          const took = each(at, calls, (error, index) => {
            at.emit.BatchInterrupted({ index, error });
            interrupted = true;
            return true;
          });
          if (!interrupted) at.emit.BatchCompleted();
          return took;
        },
      },
      as_derivative: {
        index: 1,
        doc: 'Dispatches a call in the name of the account that the signer controls under a number.',
        args: { index: u16, call: link.Call },
        weight: around,
        run(at, { index, call }) {
          const error = at.dispatch(call, { ...at.origin, type: 'signed', who: derivative(at.signer, index) });
          if (error !== undefined) throw passOn(error);
          return plus(OVERHEAD, at.spent ?? weightOf(call));
        },
      },
      batch_all: {
        index: 2,
        doc: 'Dispatches calls; when one fails, all of them are undone.',
        ...batch,
        run(at, { calls }) {
          const took = each(at, calls, (error) => {
            throw passOn(error);
          });
          at.emit.BatchCompleted();
          return took;
        },
      },
      dispatch_as: {
        index: 3,
        doc: 'Dispatches a call in the name of an origin; the event says how it ended.',
        args: asArgs,
        weight: around,
        origin: 'root',
        run(at, { as_origin, call }) {
          at.emit.DispatchedAs({ result: resultOf(at.dispatch(call, originOf(as_origin))) });
        },
      },
      force_batch: {
        index: 4,
        doc: 'Dispatches calls, whether or not some fail.',
        ...batch,
        run(at, { calls }) {
          let failures = 0;
          const took = each(at, calls, (error) => {
            at.emit.ItemFailed({ error });
            failures++;
            return false;
          });
          if (failures > 0) at.emit.BatchCompletedWithErrors();
          else at.emit.BatchCompleted();
          return took;
        },
      },
      with_weight: {
        index: 5,
        doc: 'Dispatches a call as if it had this weight.',
        args: { call: link.Call, weight: Weight },
        weight: ({ weight }) => weight,
        origin: 'root',
        run(at, { call }) {
          const error = at.dispatch(call);
          if (error !== undefined) throw passOn(error);
        },
      },
      if_else: {
        index: 6,
        doc: 'Dispatches a call, and where it fails another one.',
        args: { main: link.Call, fallback: link.Call },
        weight: ({ main, fallback }) => plus(OVERHEAD, weightOf(main), weightOf(fallback)),
        origin: 'any',
        run(at, { main, fallback }) {
          const main_error = at.dispatch(main);
          const took = plus(OVERHEAD, at.spent ?? weightOf(main));
          if (main_error === undefined) {
            at.emit.IfElseMainSuccess();
            return took;
          }
          const error = at.dispatch(fallback);
          if (error !== undefined) throw passOn(error);
          at.emit.IfElseFallbackCalled({ main_error });
          return plus(took, at.spent ?? weightOf(fallback));
        },
      },
      dispatch_as_fallible: {
        index: 7,
        doc: 'Dispatches a call in the name of an origin, and fails where it fails.',
        args: asArgs,
        weight: around,
        origin: 'root',
        run(at, { as_origin, call }) {
          const error = at.dispatch(call, originOf(as_origin));
          if (error !== undefined) throw passOn(error);
          at.emit.DispatchedAs({ result: resultOf(undefined) });
        },
      },
    },
  });
}
