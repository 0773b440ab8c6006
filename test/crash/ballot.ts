/**
 * # Ballot: the production gadget with a set of one, so that it prevotes, precommits and finalizes by itself, as fast as
 * blocks come; what it says goes through the node's own link to the disk, and then to a network that only listens.
 *
 * Always true: it finalizes nothing that a fork of the corpus leaves: it is shown the best block `below` heights down.
 */
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import type { Finality, FinalityEffect, FinalityInput, FinalityView } from '../../src/consensus/finality/finality.ts';
import { Grandpa } from '../../src/consensus/finality/grandpa.ts';
import { GadgetMessage, VoterMemoryCodec } from '../../src/consensus/finality/message.ts';
import type { VoterMemory } from '../../src/consensus/finality/voter.ts';
import { keypairFromSeed } from '../../src/crypto/keypair.ts';
import { verifySignature } from '../../src/crypto/verify.ts';
import type { Watermarks } from '../../src/keystore/watermarks.ts';
import { FinalityLink } from '../../src/node/finality-link.ts';
import type { Network } from '../../src/p2p/network.ts';
import type { ChainStore, DurableStore } from '../../src/state/store.ts';
import { T } from '../consensus/world.ts';

/** The validator's key: the same over all its lives. */
export const VALIDATOR = keypairFromSeed('ed25519', new Uint8Array(32).fill(9));
/** Where the gadget keeps what a voter must find again. */
const MEMORY = 'grandpa/voter';

/** What a voter of this store remembers. */
export function memoryIn(store: Pick<ChainStore, 'aux'>): VoterMemory | undefined {
  const bytes = store.aux(MEMORY);
  return bytes === undefined ? undefined : VoterMemoryCodec.dec(bytes);
}

export class Ballot implements Finality {
  private readonly grandpa: Grandpa;
  private readonly below: number;

  constructor(marks: Watermarks, below: number) {
    this.below = below;
    this.grandpa = new Grandpa({
      setAt: () => ({ setId: 1n, authorities: [[VALIDATOR.publicKey, 1n]] }),
      // A round takes two blocks, which come every 2 T: between two synced flushes there are some that are not.
      gossipMs: T,
      keys: () => [VALIDATOR],
      markOf: (key) => marks.markOf(key),
      verify: (signature, message, id) => verifySignature('ed25519', signature, message, id),
      keepEvery: 1,
    });
  }

  wakeAt(): undefined {
    return undefined;
  }

  step(now: number, input: FinalityInput, view: FinalityView): readonly FinalityEffect[] {
    return this.grandpa.step(now, input, cautious(view, this.below));
  }
}

/** The view with a best block that no fork of the corpus leaves. */
function cautious(view: FinalityView, below: number): FinalityView {
  return {
    best: view.best,
    finalized: view.finalized,
    ancestor: (of, number) => view.ancestor(of, number),
    bestOn(block) {
      const { best } = view;
      const target = view.ancestor(best.hash, best.number - below);
      const stands = target && view.ancestor(target.hash, block.number);
      return stands && toHex(stands.hash) === toHex(block.hash) ? target : block;
    },
    header: (hash) => view.header(hash),
    justification: (hash) => view.justification(hash),
    record: (name) => view.record(name),
  };
}

/** The node's link from the gadget to the disk; `say` hears the votes that leave the process. */
export function linkOf(
  store: DurableStore,
  marks: Watermarks,
  say: (message: Bytes) => void,
  onFatal: (error: unknown) => void,
): FinalityLink {
  const network: Pick<Network, 'publish' | 'request' | 'report'> = {
    publish: (_topic, message) => Promise.resolve(say(message)),
    request: () => Promise.resolve(new Uint8Array(0)),
    report: () => {},
  };
  return new FinalityLink({ store, marks, network: network as Network, log: () => {}, onFatal });
}

/** A vote as the line that tells of it; undefined for anything else that a gadget says. */
export function voteLine(message: Bytes): string | undefined {
  const said = GadgetMessage.dec(message);
  if (said.type !== 'Vote') return undefined;
  const { round, stage, target } = said.value.vote;
  return `vote ${round} ${stage} ${target.number} ${toHex(target.hash)}`;
}
