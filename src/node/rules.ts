/** # Rules: the pure half of a node, made from its chain spec: runtime, block 0, what consensus checks. */
import { Chain } from '../consensus/chain.ts';
import { DepthFinality } from '../consensus/finality/depth.ts';
import type { ConsensusRules } from '../consensus/rules.ts';
import { sealAuthor, sealFragment } from '../runtime/compute-view.ts';
import { SIGNATURES } from '../runtime/host.ts';
import { PALLETS } from '../runtime/pallets/index.ts';
import { createRuntime, type Runtime } from '../runtime/runtime.ts';
import type { ChainStore } from '../state/store.ts';
import { type ChainSpec, runtimeSpec } from './chain-spec.ts';
import { genesisBlock } from './genesis.ts';
import { refereeWith } from './referee.ts';
import { remembering } from './signatures.ts';
import { ticketEvaluator } from './ticket-evaluator.ts';

export interface ChainRules {
  readonly runtime: Runtime;
  readonly genesis: ReturnType<typeof genesisBlock>;
  readonly consensus: ConsensusRules;
}

/** The rules of a chain; `warn` hears when a slower reference has to judge tickets. */
export function chainRules(spec: ChainSpec, warn: (text: string) => void): ChainRules {
  const evaluate = ticketEvaluator(warn);
  const host = { ...SIGNATURES, verify: remembering(SIGNATURES.verify), referee: refereeWith(evaluate) };
  const runtime = createRuntime({ pallets: PALLETS, spec: runtimeSpec(spec), host });
  const consensus: ConsensusRules = {
    difficulty: { initial: spec.consensus.initialDifficulty, blockTimeMs: spec.consensus.blockTimeMs },
    seals: { author: (view, account) => sealAuthor(view, account, runtime.spec), fragment: sealFragment },
    runtime,
    evaluate,
  };
  return { runtime, genesis: genesisBlock(spec, runtime), consensus };
}

/** The machine that decides which blocks are the chain. */
export function chainMachine(spec: ChainSpec, rules: ChainRules, store: ChainStore): Chain {
  const finality = new DepthFinality(spec.consensus.finalityDepth);
  return new Chain({ rules: rules.consensus, store, finality });
}
