/**
 * # Roll call: shows the chain one vote of this node in each era, so that its validator is not taken for silent.
 *
 * Always true: only what this node precommitted is shown, and only where the best state would take it, so that nothing
 * is said in an era in which the validator was heard; and of one era at most once in AGAIN_BLOCKS heights, whatever is
 * lost. Votes come here once they are on disk (finality-link.ts).
 */
import { type Bytes, toHex } from '../base/bytes.ts';
import { GadgetMessage } from '../consensus/finality/message.ts';
import { bareExtrinsic } from '../primitives/extrinsic.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ChainStore } from '../state/store.ts';

/** Two block times for the way to a miner, two for the block: after that a vote that is in none is lost. */
const AGAIN_BLOCKS = 4;

export interface RollCallParts {
  readonly store: Pick<ChainStore, 'best' | 'view'>;
  readonly runtime: Pick<Runtime, 'Call' | 'validate'>;
}

export class RollCall {
  readonly #parts: RollCallParts;
  /** The height at which a vote was shown last, and its tag: one for each validator and era. */
  #shown: { readonly number: number; readonly tag: string } | undefined;

  constructor(parts: RollCallParts) {
    this.#parts = parts;
  }

  /** The extrinsic that shows this message of the own gadget; undefined where it is none that the chain waits for. */
  answer(message: Bytes): Bytes | undefined {
    const said = GadgetMessage.dec(message);
    if (said.type !== 'Vote' || said.value.vote.stage !== 'precommit') return undefined;
    const { store, runtime } = this.#parts;
    const { vote } = said.value;
    const { best } = store;
    const view = store.view(best.hash);
    if (view === undefined) return undefined;
    const args = {
      set_id: vote.setId,
      round: vote.round,
      target_hash: vote.target.hash,
      target_number: vote.target.number,
      authority: vote.id,
      signature: vote.signature,
    };
    const { bytes } = bareExtrinsic(runtime.Call.enc({ type: 'Grandpa', value: { type: 'note_vote', value: args } }));
    const validity = runtime.validate(view, bytes, best);
    if (!validity.ok) return undefined;
    const tag = validity.provides.map(toHex).join();
    const shown = this.#shown;
    // Another branch may be lower than the one where it was shown.
    if (shown?.tag === tag && Math.abs(best.number - shown.number) < AGAIN_BLOCKS) return undefined;
    this.#shown = { number: best.number, tag };
    return bytes;
  }
}
