/**
 * # Timestamp: when a block says it was made.
 *
 * Always true: every block sets the time once, as its first extrinsic, later than its parent's. How far ahead of the
 * clock a block may be is for whoever receives it to judge: the state has no clock.
 */
import { max } from '../../base/fixed.ts';
import { compactU64, u64 } from '../../codec/index.ts';
import { dispatchError } from '../errors.ts';
import { constant, pallet, rules } from '../pallet.ts';
import { value } from '../storage.ts';
import { rw } from '../weights.ts';

const Declared = pallet('Timestamp', {
  index: 2,
  doc: 'The time of each block.',
  constants: {
    MinimumPeriod: constant('Half of the time between blocks, in ms.', u64, (spec) => BigInt(spec.blockTimeMs) / 2n),
  },
  storage: { Now: value('Milliseconds since 1970 at which the present block was made.', u64, 0n) },
});

export const Timestamp = rules(Declared, {
  calls: {
    set: {
      index: 0,
      doc: 'Sets the time of this block.',
      args: { now: compactU64 },
      weight: rw(1, 1),
      origin: 'inherent',
      class: 'Mandatory',
      run(at, { now }) {
        if (now <= at.state.Now.get()) throw dispatchError('Other');
        at.state.Now.put(now);
      },
    },
  },
  inherent: {
    call: 'set',
    // A clock that stands or goes back must not keep an author from building.
    make: (at, { timestampMs }) => ({ now: max(timestampMs, at.state.Now.get() + 1n) }),
  },
});
