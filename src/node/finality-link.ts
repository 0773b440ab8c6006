/**
 * # Finality link: what the gadget wants done, done in its order.
 *
 * Always true: nothing that the gadget says leaves before every vote that it persisted earlier is on disk, in the
 * store and in the watermarks; a failure of either is fatal, and then nothing leaves any more. An own vote that the
 * chain waits for is told to the own pool, from where it spreads like any extrinsic.
 */
import { type Bytes, toHex } from '../base/bytes.ts';
import type { FinalityEffect } from '../consensus/finality/finality.ts';
import type { Foreign } from '../consensus/finality/listening.ts';
import type { SignedVote } from '../consensus/finality/round.ts';
import type { Watermarks } from '../keystore/watermarks.ts';
import type { Network, Verdict } from '../p2p/network.ts';
import type { DurableStore } from '../state/store.ts';
import type { RollCall } from './roll-call.ts';

export interface FinalityLinkParts {
  readonly store: DurableStore;
  readonly marks: Watermarks;
  readonly network: Network;
  readonly log: (level: 'info' | 'warn', text: string) => void;
  readonly onFatal: (error: unknown) => void;
  /** Shows the chain that this node votes; left out where blocks tell who is there. */
  readonly rollCall?: Pick<RollCall, 'answer'> | undefined;
}

export type LinkedEffect = Exclude<FinalityEffect, { type: 'finalize' | 'put' | 'proven' | 'equivocation' }>;

const placeOf = ({ id, setId, round }: SignedVote): string => `${toHex(id)} voted in round ${round} of set ${setId}`;
/** What an operator reads, and what he can do. */
const DOPPELGANGER: Readonly<Record<Foreign, (vote: SignedVote) => string>> = {
  twin: (vote) =>
    `finality: ${placeOf(vote)}, and not by this node, which is silent for the rest of the set: stop one of the two ` +
    'nodes that run with this key, or both are slashed',
  earlier: (vote) =>
    `finality: ${placeOf(vote)}, and this node knows nothing of it, so it listens before it votes: if another node ` +
    'runs with this key, stop one of them; if the database is an old copy, nothing needs to be done',
};

const TELL = { timeoutMs: 8_000, maxBytes: 0 };

export class FinalityLink {
  readonly #parts: FinalityLinkParts;
  /** Resolves when everything persisted so far is on disk. */
  #durable: Promise<unknown> = Promise.resolve();
  /** Votes of this node since the start. */
  readonly said = { prevotes: 0, precommits: 0 };
  /** Of the message that is being heard: from whom, and what is thought of it. */
  #heard: { readonly from: string; verdict: Verdict } | undefined;

  constructor(parts: FinalityLinkParts) {
    this.#parts = parts;
  }

  /** What the gadget thinks of a message: `step` hands it over, and performs the effects with this link. */
  hear(from: string, step: () => void): Verdict {
    const heard = { from, verdict: 'ignore' as Verdict };
    this.#heard = heard;
    step();
    this.#heard = undefined;
    return heard.verdict;
  }

  /** Performs one effect; `submit` gives an extrinsic to the own pool. */
  perform(effect: LinkedEffect, submit: (extrinsic: Bytes) => Promise<unknown>): void {
    const { store, marks, network, rollCall, log, onFatal } = this.#parts;
    switch (effect.type) {
      case 'persist':
        this.#durable = Promise.all([this.#durable, store.flush(true), marks.raise(effect.mark)]);
        this.#durable.catch(onFatal);
        if (effect.mark.stage === 'prevote') this.said.prevotes++;
        if (effect.mark.stage === 'precommit') this.said.precommits++;
        return;
      case 'broadcast':
        this.#later(() => {
          network
            .publish('finality', effect.message)
            .catch((error: Error) => log('warn', `gossip: finality: ${error.message}`));
          const shown = rollCall?.answer(effect.message);
          if (shown !== undefined) submit(shown).catch(onFatal);
        });
        return;
      case 'tell':
        this.#later(() =>
          network.request(effect.peer, 'finality', effect.message, TELL).catch((error: Error) => {
            // He hung up or is busy, or this node stops: the gadget asks somebody else in due time.
            if (error.name !== 'RequestError' && error.name !== 'P2pError') onFatal(error);
          }),
        );
        return;
      case 'relay':
        if (this.#heard?.verdict === 'ignore') this.#heard.verdict = 'accept';
        return;
      case 'report':
        if (this.#heard?.from === effect.peer) this.#heard.verdict = 'reject';
        network.report(effect.peer, effect.score, 'finality');
        return;
      case 'doppelganger':
        log('warn', DOPPELGANGER[effect.kind](effect.vote));
        return;
    }
  }

  /** Says something once all votes before it are on disk; after a failure never. */
  #later(say: () => void): void {
    this.#durable.then(say, () => {}).catch(this.#parts.onFatal);
  }
}
