/**
 * # Warp: brings a new node to the newest final block before its machines are made.
 *
 * Always true: nothing is written before all is proven; a node that is stopped meanwhile has no chain yet, and begins
 * again. Chains whose blocks are won by work are not warped to: what their difficulty is follows from all their blocks.
 */
import { must } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { followProof, type WarpState } from '../consensus/finality/warp.ts';
import { slotsBaseMeta } from '../consensus/meta.ts';
import type { Network } from '../p2p/network.ts';
import { readStorage } from '../runtime/access.ts';
import { Timestamp } from '../runtime/pallets/timestamp.ts';
import type { Base } from '../state/store.ts';
import { SYNC_FAULTS } from '../sync/peers.ts';
import { Warp, type WarpEffect, type Warped, type WarpInput, type WarpWorld } from '../sync/warp.ts';
import type { ChainSpec } from './chain-spec.ts';
import { CLOCKS } from './clocks.ts';
import { TELL_EVERY_MS } from './progress.ts';
import { authoritiesIn, type ChainRules } from './rules.ts';
import { askWarp } from './sync-link.ts';

const MIB = 1_048_576;

/** Whether a chain has proofs that lead to a block which can be built on without those before it. */
export function canWarp({ consensus }: ChainSpec): boolean {
  return consensus.finality === 'grandpa' && consensus.authoring === 'slots';
}

export interface WarpParts {
  readonly rules: ChainRules;
  /** Started. */
  readonly network: Network;
  readonly log: (level: 'info' | 'warn', text: string) => void;
  readonly signal: AbortSignal;
}

/** The newest final block that peers prove, with its state; undefined when that is genesis, or at the signal. */
export function warp({ rules, network, log, signal }: WarpParts): Promise<Base | undefined> {
  const machine = new Warp(worldOf(rules));
  const { promise, resolve, reject } = Promise.withResolvers<Base | undefined>();
  let timer: NodeJS.Timeout | undefined;
  const step = (input: WarpInput): void => {
    try {
      for (const effect of machine.step(CLOCKS.steady(), input)) perform(effect);
      clearTimeout(timer);
      const at = machine.wakeAt();
      if (at !== undefined) timer = setTimeout(() => step({ type: 'tick' }), Math.max(10, at - CLOCKS.steady()));
    } catch (error) {
      // A machine never throws for what a peer sent: this is a bug.
      reject(error);
    }
  };
  const perform = (effect: WarpEffect): void => {
    switch (effect.type) {
      case 'report': {
        const [sentence, score] = SYNC_FAULTS[effect.fault];
        network.report(effect.peer, score, sentence);
        return;
      }
      case 'done':
        resolve(effect.warped && baseOf(effect.warped));
        return;
      default:
        askWarp(network, effect).then((input) => input && !signal.aborted && step(input), reject);
    }
  };
  const quiet = network.onPeer(({ type, peer }) => step({ type, peer }));
  for (const { id } of network.peers()) step({ type: 'connected', peer: id });
  const teller = tell(machine, () => network.peers().length, log);
  const ended = (): void => resolve(undefined);
  if (signal.aborted) ended();
  signal.addEventListener('abort', ended, { once: true });
  return promise.finally(() => {
    quiet();
    clearTimeout(timer);
    clearInterval(teller);
  });
}

function worldOf({ consensus, genesis, verifyVote }: ChainRules): WarpWorld<WarpState> {
  return {
    genesis: genesis.hash,
    begin: { ...authoritiesIn(genesis.state), number: 0 },
    checkpoint: consensus.checkpoint,
    follow: (from, proof) => {
      const verdict = followProof(from, proof, verifyVote);
      return verdict.ok ? verdict : undefined;
    },
  };
}

function baseOf({ number, hash, bytes, header, justification, body, opening, state }: Warped): Base {
  const timestamp = Number(readStorage(state, Timestamp.declared.storage.Now));
  const meta: Bytes = slotsBaseMeta(header, timestamp);
  return { number, hash, header: bytes, body, meta, opening, justification, state };
}

/** Says how far it is, and how fast, every few seconds. */
function tell(machine: Warp<WarpState>, peers: () => number, log: WarpParts['log']): NodeJS.Timeout {
  let before = machine.progress();
  return setInterval(() => {
    const now = machine.progress();
    const { phase, sets, target, keys, bytes } = now;
    const rate = Math.max(0, bytes - before.bytes) / (TELL_EVERY_MS / 1_000) / MIB;
    before = now;
    if (phase === 'proof') log('info', `warp: waiting for proofs; ${peers()} peers, ${sets} sets of voters so far`);
    else {
      const size = `${keys} keys, ${(bytes / MIB).toFixed(1)} MiB, ${rate.toFixed(1)} MiB/s`;
      log('info', `warp: ${phase} of block #${must(target, 'a target')}: ${size}`);
    }
  }, TELL_EVERY_MS);
}
