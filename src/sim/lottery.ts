/**
 * # Lottery: the pallet of chains by work whose miners and voters are no affair of any pallet.
 *
 * Always true: it knows who won last with a fragment, as the seal check asks, and keeps notes, each number once: what
 * blocks can carry besides money. Who uses it adds what he needs.
 */
import { bytes as byteString, hash, struct, u16, u32 } from '../codec/index.ts';
import { readSealed } from '../primitives/pow.ts';
import { invalid } from '../runtime/errors.ts';
import { type CallRule, pallet, type Scope } from '../runtime/pallet.ts';
import { map, value } from '../runtime/storage.ts';
import { rw } from '../runtime/weights.ts';

export const LotteryDeclared = pallet('Lottery', {
  index: 99,
  doc: 'What the seal check of simulations and tests reads, and notes that blocks can carry.',
  storage: {
    Members: value('How many nodes mine and vote.', u32, 0),
    Wins: map('The last winning pair of a fragment.', hash, struct({ step: u32, node: u16 })),
    Notes: map('Notes by number.', u32, byteString),
  },
});
type At = Scope<typeof LotteryDeclared>;

/** The call that keeps a note. */
export const keepNote: CallRule<typeof LotteryDeclared, { id: typeof u32; text: typeof byteString }> = {
  index: 0,
  doc: 'Keeps a note; each number is taken once.',
  args: { id: u32, text: byteString },
  weight: rw(1, 1),
  origin: 'bare',
  paysFee: false,
  validate(at, { id }) {
    if (at.state.Notes.has(id)) throw invalid('Stale');
    return { priority: 1n, provides: [u32.enc(id)], longevity: 64 };
  },
  run(at, { id, text }) {
    at.state.Notes.put(id, text);
  },
};

/** Writes down with what the block before was won. */
export function recordWin(at: At): void {
  const { header } = at.block.parent;
  if (header.number === 0) return;
  const { preRuntime } = readSealed(header);
  at.state.Wins.put(preRuntime.fragment, { step: preRuntime.step, node: preRuntime.node });
}
