/**
 * # Slot seal: whether a header was made by the authority whose turn it was.
 *
 * Always true: checks run from cheap to dear: opening, slot above the parent's, not from the future, right author,
 * seal, VRF. The seal (0.2 ms) stands before the VRF, which is ten times dearer, so that only a key that could be
 * slashed for it can make anybody verify one. The time in the body is judged last, since it needs the body.
 */
import { equal } from '../base/bytes.ts';
import { type SlotSealed, slotSealMessage, slotVrfMessage } from '../primitives/slots.ts';
import { authorOf, type SlotAuthority, slotAt } from '../runtime/slots.ts';
import type { StateView } from '../state/view.ts';
import { type Checked, failed, passed } from './block-error.ts';
import type { Millis } from './difficulty.ts';
import type { ParentBlock } from './meta.ts';
import { type ConsensusRules, MAX_DRIFT_MS, MAX_HOLD_MS, type SlotRules } from './rules.ts';

/** What a seal is checked against. */
export interface SlotPlace {
  readonly parent: Pick<ParentBlock, 'timestamp'>;
  /** The state of the parent. */
  readonly view: StateView;
  readonly now: Millis;
}

/** All that a header shows of its turn, on top of this parent. */
export function checkTurn(
  rules: ConsensusRules,
  slots: SlotRules,
  turn: SlotSealed,
  at: SlotPlace,
): Checked<SlotSealed> {
  const { blockTimeMs } = rules.difficulty;
  const { slot } = turn;
  if (slot <= slotAt(at.parent.timestamp, blockTimeMs)) return failed('SlotTooOld', `slot ${slot}`);
  if (isTooFar(slot, blockTimeMs, at.now)) return failed('TimestampTooFar', `slot ${slot}`);
  const epoch = slots.epoch(at.view, slot);
  const author = authorOf(epoch, slot);
  if (author === undefined || !equal(author.account, turn.author)) return failed('WrongTurn', `slot ${slot}`);
  if (!isSealedBy(slots, turn, author)) return failed('BadSignature');
  if (!slots.verifyVrf(turn, slotVrfMessage(epoch.randomness, slot), author.key)) return failed('BadVrf');
  return passed(turn);
}

/**
 * For a header whose parent is not known: whether one of the authorities known here sealed it, in a slot that can have
 * come. Whose turn it was depends on its branch, but who seals can be accused of a second seal.
 */
export function checkStranger(
  rules: ConsensusRules,
  slots: SlotRules,
  turn: SlotSealed,
  at: Pick<SlotPlace, 'view' | 'now'>,
): Checked<SlotSealed> {
  if (isTooFar(turn.slot, rules.difficulty.blockTimeMs, at.now)) return failed('TimestampTooFar');
  const known = slots.authorities(at.view).filter(({ account }) => equal(account, turn.author));
  const [first, second] = known;
  // Of the epoch and of the next one: where he has one key for both, one check is enough.
  const keys = first && second && equal(first.key, second.key) ? [first] : known;
  return keys.some((authority) => isSealedBy(slots, turn, authority)) ? passed(turn) : failed('UnknownAuthority');
}

function isSealedBy({ genesis, verifySeal }: SlotRules, turn: SlotSealed, { key }: SlotAuthority): boolean {
  return verifySeal(turn.signature, slotSealMessage(genesis, turn.preHash), key);
}

/** Whether the slot begins later than blocks are held. */
function isTooFar(slot: number, blockTimeMs: Millis, now: Millis): boolean {
  return slot * blockTimeMs > now + MAX_DRIFT_MS + MAX_HOLD_MS;
}
