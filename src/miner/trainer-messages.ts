/** # Trainer messages: what a miner tells its training threads, and hears from them. */
import type { Bytes } from '../base/bytes.ts';
import type { FragmentJson, JobJson } from './wire.ts';

/** Train this fragment, from its last state on disk or from the round's weights. */
export interface ToTrainer {
  readonly job: JobJson;
  readonly fragment: FragmentJson;
  readonly graph: Bytes;
  readonly dataset: Bytes;
  readonly theta: Bytes;
  /** The author whom tickets are drawn for. */
  readonly account: Bytes;
  /**
   * The fragment is finished and its claim waits for a block, but nothing else is left to train: draw tickets with its
   * final step under every new template, so that the chain never waits for work that waits for the chain.
   */
  readonly again: boolean;
}

export type FromTrainer =
  | { readonly type: 'started'; readonly from: number }
  | {
      readonly type: 'step';
      readonly step: number;
      readonly loss: number;
      readonly macs: number;
      readonly tickets: number;
      readonly ms: number;
    }
  | {
      readonly type: 'ticket';
      readonly templateId: string;
      /** SCALE of the author's digest item, and the hash of the header that holds it. */
      readonly preRuntime: Bytes;
      readonly preHash: Bytes;
      readonly place: { readonly ti: number; readonly tj: number; readonly s: number };
      readonly rootA: Bytes;
      readonly rootB: Bytes;
      readonly opening: Bytes;
    }
  /** The thread is idle: the fragment is finished, was left, or could not be trained. */
  | { readonly type: 'ended'; readonly finished: boolean; readonly fault: string | undefined };
