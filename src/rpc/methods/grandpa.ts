/** # grandpa_*: rounds, and proofs of finality (CLIENTS.md section 2). */
import { ss58Encode } from '../../crypto/ss58.ts';
import type { Backend, GrandpaPort, RoundView, StageState } from '../backend.ts';
import { grandpaNotReady, tooLargeWeights } from '../errors.ts';
import { toHex } from '../hex.ts';
import { height, named } from '../params.ts';
import { follow, type Method, method, subscription } from '../registry.ts';

const MAX_U32 = 0xffff_ffffn;

export function grandpaMethods(): Method[] {
  return [
    method('grandpa_roundState', [], ({ backend }) => {
      const state = portOf(backend).rounds();
      const best = state?.rounds.at(-1);
      if (state === undefined || best === undefined) throw grandpaNotReady();
      const json = (round: RoundView) => roundJson(round, Number(backend.properties.ss58Format));
      return { setId: u32(state.setId), best: json(best), background: state.rounds.slice(0, -1).map(json) };
    }),
    method('grandpa_proveFinality', [named('blockNumber', height)], ({ backend, turns }, number) =>
      turns.run(() => {
        const proof = portOf(backend).prove(number);
        return proof === undefined ? null : toHex(proof);
      }),
    ),
    ...subscription(
      {
        subscribe: 'grandpa_subscribeJustifications',
        notify: 'grandpa_justifications',
        unsubscribe: 'grandpa_unsubscribeJustifications',
      },
      [],
      (context, sink) => {
        portOf(context.backend);
        return follow(context, sink, (event) => {
          if (event.type === 'finalized' && event.justification !== undefined) sink.emit(toHex(event.justification));
        });
      },
    ),
  ];
}

function portOf({ grandpa }: Backend): GrandpaPort {
  if (grandpa === undefined) throw grandpaNotReady();
  return grandpa;
}

function roundJson({ round, total, threshold, prevotes, precommits }: RoundView, prefix: number): unknown {
  return {
    round: u32(round),
    totalWeight: u32(total),
    thresholdWeight: u32(threshold),
    prevotes: stageJson(prevotes, prefix),
    precommits: stageJson(precommits, prefix),
  };
}

function stageJson({ weight, missing }: StageState, prefix: number): unknown {
  return { currentWeight: u32(weight), missing: missing.map((key) => ss58Encode(key, prefix)) };
}

/** Substrate's clients read 32 bits here. */
function u32(value: bigint): number {
  if (value > MAX_U32) throw tooLargeWeights();
  return Number(value);
}
