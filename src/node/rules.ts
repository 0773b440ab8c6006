/** # Rules: the pure half of a node, made from its chain spec: runtime, block 0, what consensus checks. */
import { must } from '../base/assert.ts';
import { Chain } from '../consensus/chain.ts';
import { DepthFinality } from '../consensus/finality/depth.ts';
import { type AuthoritySet, Grandpa, type GrandpaSetup } from '../consensus/finality/grandpa.ts';
import type { Verify } from '../consensus/finality/round.ts';
import type { ConsensusRules } from '../consensus/rules.ts';
import { slotRules } from '../consensus/slot-rules.ts';
import { readStorage } from '../runtime/access.ts';
import { sealAuthor, sealFragment } from '../runtime/compute-view.ts';
import { SIGNATURES } from '../runtime/host.ts';
import { GrandpaDeclared } from '../runtime/pallets/grandpa.ts';
import { PALLETS, SLOT_PALLETS } from '../runtime/pallets/index.ts';
import { createRuntime, type Runtime } from '../runtime/runtime.ts';
import type { ChainStore } from '../state/store.ts';
import type { StateView } from '../state/view.ts';
import { type ChainSpec, runtimeSpec } from './chain-spec.ts';
import { checkpointOf } from './checkpoint.ts';
import { genesisBlock } from './genesis.ts';
import { refereeWith } from './referee.ts';
import { remembering, SignatureMemory } from './signatures.ts';
import { ticketEvaluator } from './ticket-evaluator.ts';

export interface ChainRules {
  readonly runtime: Runtime;
  readonly genesis: ReturnType<typeof genesisBlock>;
  readonly consensus: ConsensusRules;
  /** Whether a key signed a message: as the runtime judges it, so that what a node sees as a double vote is one. */
  readonly verifyVote: Verify;
  /** Signatures of extrinsics that are known to be valid. */
  readonly signatures: SignatureMemory;
}

/** The rules of a chain; `warn` hears when a slower reference has to judge tickets. */
export function chainRules(spec: ChainSpec, warn: (text: string) => void): ChainRules {
  const evaluate = ticketEvaluator(warn);
  const signatures = new SignatureMemory();
  const host = { ...SIGNATURES, verify: remembering(SIGNATURES.verify, signatures), referee: refereeWith(evaluate) };
  const isSlots = spec.consensus.authoring === 'slots';
  const runtime = createRuntime({ pallets: isSlots ? SLOT_PALLETS : PALLETS, spec: runtimeSpec(spec), host });
  const genesis = genesisBlock(spec, runtime);
  const consensus: ConsensusRules = {
    difficulty: { initial: spec.consensus.initialDifficulty, blockTimeMs: spec.consensus.blockTimeMs },
    seals: { author: (view, account) => sealAuthor(view, account, runtime.spec), fragment: sealFragment },
    ...(isSlots ? { slots: slotRules(genesis.hash, runtime.spec.epochSlots) } : {}),
    ...checkpointOf(spec),
    runtime,
    evaluate,
  };
  return { runtime, genesis, consensus, verifyVote: host.verifyEd25519, signatures };
}

/** With what a node votes; none without keys. */
export type Voting = Pick<GrandpaSetup, 'keys' | 'markOf'>;

const SILENT: Voting = { keys: () => [], markOf: () => undefined };
/** As Substrate: a proof is stored with the first block that is proven at or above each multiple of this. */
const JUSTIFICATION_PERIOD = 512;
/** T is a ninth of a block time, so that a round fits into a block; a second at most, as in Substrate. */
const MAX_GOSSIP_MS = 1_000;
const ROUND_T = 9;

export interface ChainMachine {
  readonly chain: Chain;
  /** Undefined where the chain spec has finality by depth. */
  readonly grandpa: Grandpa | undefined;
}

/** Who votes on what stands on a block with this state. */
export function authoritiesIn(view: StateView): AuthoritySet {
  return {
    setId: readStorage(view, GrandpaDeclared.storage.CurrentSetId),
    authorities: readStorage(view, GrandpaDeclared.storage.Authorities),
  };
}

/** The machine that decides which blocks are the chain. */
export function chainMachine(spec: ChainSpec, rules: ChainRules, store: ChainStore, voting = SILENT): ChainMachine {
  const { finality, finalityDepth, blockTimeMs } = spec.consensus;
  const grandpa =
    finality === 'depth'
      ? undefined
      : new Grandpa({
          ...voting,
          setAt: ({ hash }) => authoritiesIn(must(store.view(hash), 'the last finalized block has its state')),
          gossipMs: Math.min(MAX_GOSSIP_MS, Math.ceil(blockTimeMs / ROUND_T)),
          verify: (signature, message, id) => rules.verifyVote(signature, message, id),
          keepEvery: JUSTIFICATION_PERIOD,
        });
  const gadget = grandpa ?? new DepthFinality(finalityDepth);
  return { chain: new Chain({ rules: rules.consensus, store, finality: gadget }), grandpa };
}
