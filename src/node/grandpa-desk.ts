/**
 * # Grandpa desk: what RPC and metrics are told of the voting.
 *
 * Always true: a proof that is told was checked when it was stored; looking for one reads at most MAX_UNKNOWN_HEADERS
 * heights.
 */
import { must } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { type Grandpa, lastProof } from '../consensus/finality/grandpa.ts';
import type { Round } from '../consensus/finality/round.ts';
import type { VoteStage } from '../consensus/finality/vote-graph.ts';
import type { VoterSet } from '../consensus/finality/voter-set.ts';
import { Header } from '../primitives/header.ts';
import { FinalityProof, MAX_UNKNOWN_HEADERS } from '../primitives/justification.ts';
import type { GrandpaPort, StageState } from '../rpc/backend.ts';
import { unfinalized } from '../rpc/errors.ts';
import type { ChainStore } from '../state/store.ts';

/** The voting of a node as RPC asks for it. */
export function grandpaDesk(grandpa: Grandpa, store: ChainStore): GrandpaPort {
  return {
    rounds() {
      const state = grandpa.state();
      if (state === undefined) return undefined;
      const { setId, voters } = state;
      const rounds = state.rounds.map((round) => ({
        round: round.number,
        total: voters.total,
        threshold: voters.threshold,
        prevotes: stageOf(round, voters, 'prevote'),
        precommits: stageOf(round, voters, 'precommit'),
      }));
      return { setId, rounds };
    },
    prove(number) {
      if (number > store.settled.number) throw unfinalized();
      const proof = proofFor(store, number);
      return proof && FinalityProof.enc(proof);
    },
  };
}

function stageOf(round: Round, voters: VoterSet, stage: VoteStage): StageState {
  const voted = new Set(round.votes(stage).map(({ id }) => voters.get(id)));
  return {
    weight: round.weight(stage),
    missing: voters.voters.filter((voter) => !voted.has(voter)).map(({ id }) => id),
  };
}

/** The first stored proof at or above a final height: it is of the set that finalized that height. */
function proofFor(store: ChainStore, number: number): FinalityProof | undefined {
  const last = lastProof((name) => store.aux(name));
  const unknownHeaders: Header[] = [];
  for (let at = number; at <= store.settled.number && unknownHeaders.length < MAX_UNKNOWN_HEADERS; at++) {
    const block = store.canonical(at);
    // A node that began with a later block than genesis has none of these.
    if (block === undefined) return undefined;
    if (at > number) unknownHeaders.push(Header.dec(must(store.header(block), 'a final block has its header')));
    const justification: Bytes | undefined = last?.block.number === at ? last.bytes : store.justification(block);
    if (justification !== undefined) return { block, justification, unknownHeaders };
  }
  return undefined;
}
