/** # Rules: the pure half of a node, made from its chain spec: runtime, block 0, what consensus checks. */
import { type Bytes, equal, fromHex, toHex } from '../base/bytes.ts';
import { Chain } from '../consensus/chain.ts';
import { DepthFinality } from '../consensus/finality/depth.ts';
import type { ConsensusRules, SlotRules } from '../consensus/rules.ts';
import { vrfVerify } from '../crypto/vrf.ts';
import { sealAuthor, sealFragment } from '../runtime/compute-view.ts';
import { SIGNATURES } from '../runtime/host.ts';
import { PALLETS, SLOT_PALLETS } from '../runtime/pallets/index.ts';
import { slotAuthorities, slotEpoch } from '../runtime/pallets/slots.ts';
import { createRuntime, type Runtime } from '../runtime/runtime.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import { type ChainSpec, ChainSpecError, runtimeSpec } from './chain-spec.ts';
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
  const isSlots = spec.consensus.authoring === 'slots';
  const runtime = createRuntime({ pallets: isSlots ? SLOT_PALLETS : PALLETS, spec: runtimeSpec(spec), host });
  const genesis = genesisBlock(spec, runtime);
  const consensus: ConsensusRules = {
    difficulty: { initial: spec.consensus.initialDifficulty, blockTimeMs: spec.consensus.blockTimeMs },
    seals: { author: sealAuthor, fragment: sealFragment },
    ...(isSlots ? { slots: slotRules(genesis.hash, runtime.spec.epochSlots) } : {}),
    ...(spec.checkpoint ? { checkpoint: checkpointOf(spec.checkpoint) } : {}),
    runtime,
    evaluate,
  };
  return { runtime, genesis, consensus };
}

/** Turns by pallet Slots. */
function slotRules(genesis: Bytes, epochSlots: number): SlotRules {
  return {
    genesis,
    epoch: (view, slot) => slotEpoch(view, slot, epochSlots),
    authorities: slotAuthorities,
    verifyVrf: vrfVerify,
  };
}

function checkpointOf({ number, hash }: NonNullable<ChainSpec['checkpoint']>): BlockRef {
  return { number, hash: fromHex(hash) };
}

/** Throws ChainSpecError when the stored chain has another block in the place of the checkpoint. */
export function ensureCheckpoint({ consensus }: ChainRules, store: ChainStore): void {
  const { checkpoint } = consensus;
  const found = checkpoint && store.canonical(checkpoint.number);
  if (!checkpoint || !found || equal(found, checkpoint.hash)) return;
  const { number, hash } = checkpoint;
  throw new ChainSpecError(
    `checkpoint: block ${number} here is ${toHex(found)}, not ${toHex(hash)}: purge-chain, or mend the chain spec`,
  );
}

/** The machine that decides which blocks are the chain. */
export function chainMachine(spec: ChainSpec, rules: ChainRules, store: ChainStore): Chain {
  const finality = new DepthFinality(spec.consensus.finalityDepth);
  return new Chain({ rules: rules.consensus, store, finality });
}
