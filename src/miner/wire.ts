/**
 * # Wire: what a node tells miners and checkers, as it stands in JSON (docs/spec/miner.md).
 *
 * Always true: these are the node's own types after JSON; a miner trusts his node for what to do, never for bytes,
 * which he verifies by hash.
 */
import { fromHex } from '../base/bytes.ts';
import type { FragmentSeed } from '../primitives/fragment.ts';

export interface JobJson {
  readonly id: string;
  readonly index: number;
  readonly step_graph: string;
  readonly eval_graph: string;
  readonly init_root: string;
  readonly init_loss: number;
  readonly dataset: string;
  readonly holdout: string;
  readonly record_bytes: number;
  readonly n_records: number;
  readonly n_holdout: number;
  readonly params: number;
  readonly steps: number;
  readonly segment_steps: number;
  readonly batch: number;
  readonly profile: number;
  readonly mined_nodes: readonly { readonly m: number; readonly n: number; readonly k: number }[];
  readonly lr_knots: readonly { readonly step: number; readonly bits: number }[];
  readonly outer_lr: number;
  readonly outer_momentum: number;
  readonly fragmentCu: number;
  readonly round: { readonly r: number; readonly phase: string; readonly theta: string; readonly loss: number | null };
}

export type Status = 'Assigned' | 'Claimed' | 'Drawn' | 'Revealed' | 'Accepted' | 'Rejected' | 'Expired';

export interface FragmentJson {
  readonly id: string;
  readonly job: string;
  readonly r: number;
  readonly k: number;
  readonly overflow: boolean;
  readonly miner: string;
  readonly theta: string;
  readonly randomness: string;
  readonly assigned_at: number;
  readonly deadline: number;
  readonly status: Status;
  readonly claim: {
    readonly transcript: string;
    readonly state_root: string;
    readonly delta: string;
    readonly at: number;
  } | null;
  readonly origin: string;
  readonly drawn: readonly { readonly segment: number; readonly won: boolean }[];
}

export interface WinJson {
  readonly height: number;
  readonly step: number;
  readonly node: number;
  readonly root_a: string;
  readonly root_b: string;
}

export interface BestJson {
  readonly hash: string;
  readonly number: number;
  readonly finalized: number;
}

export interface WorkJson {
  readonly type: 'work';
  readonly best: BestJson;
  readonly genesis: string;
  readonly registered: boolean;
  readonly syncing: boolean;
  readonly fragments: readonly FragmentJson[];
  readonly reveals: readonly { readonly fragment: string; readonly states: readonly number[] }[];
  readonly openWins: readonly { readonly fragment: string; readonly wins: readonly WinJson[] }[];
}

export interface TemplateJson {
  readonly type: 'template';
  readonly id: string;
  readonly header: string;
  readonly difficulty: string;
  readonly boostPpm: number;
  readonly parent: { readonly hash: string; readonly number: number };
}

export interface SegmentJson {
  readonly id: string;
  readonly fragment: Omit<FragmentJson, 'id'>;
  readonly segment: number;
  readonly startRoot: string;
  readonly endRoot: string;
  readonly first: boolean;
  readonly receiptAt: number | null;
  /** Blocks won within this segment. */
  readonly wins: readonly WinJson[];
}

export interface MergeJson {
  readonly job: string;
  readonly r: number;
  readonly theta: string;
  readonly outer: string;
  readonly deltas: readonly { readonly fragment: string; readonly k: number; readonly delta: string }[];
}

export interface DutiesJson {
  readonly best: BestJson;
  readonly genesis: string;
  readonly segments: readonly SegmentJson[];
  readonly merges: readonly MergeJson[];
}

/** What seeds a fragment's steps. */
export function seedOf(fragment: Pick<FragmentJson, 'job' | 'r' | 'k' | 'randomness'>): FragmentSeed {
  return { job: fromHex(fragment.job), r: fragment.r, k: fragment.k, randomness: fromHex(fragment.randomness) };
}
