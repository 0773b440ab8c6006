/** # Origins: in whose name a call runs, as a value that calls can carry. */
import { type Of, unit, variant } from '../codec/index.ts';
import { RUNTIME_PATH } from './calls.ts';
import type { Origin } from './chain.ts';
import { dispatchError } from './errors.ts';
import { AccountId } from './types.ts';

const RawOrigin = variant(
  { Root: unit, Signed: AccountId, None: unit, Authorized: unit },
  { path: 'frame_support::dispatch::RawOrigin', params: [{ name: 'AccountId', shape: AccountId.shape }] },
);

export const OriginCaller = variant({ system: RawOrigin }, { path: `${RUNTIME_PATH}::OriginCaller` });
export type OriginCaller = Of<typeof OriginCaller>;

/** The origin that a caller names; BadOrigin for nobody: what nobody sends proves itself, and was not asked to here. */
export function originOf({ value }: OriginCaller): Origin {
  switch (value.type) {
    case 'Root':
      return { type: 'root' };
    case 'Signed':
      return { type: 'signed', who: value.value };
    default:
      throw dispatchError('BadOrigin');
  }
}
