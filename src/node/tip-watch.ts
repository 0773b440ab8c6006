/**
 * # Tip watch: a node that hears of no new blocks says so, and tries other peers: it may be cut off, or surrounded.
 *
 * Always true: the alarm is raised once and ended once; a node that catches up (at least twice as fast as blocks are
 * made) is not alarmed, one that is fed old blocks slowly is. While it lasts one peer in each limit makes way.
 */
import { metaOf } from '../consensus/meta.ts';
import type { Network } from '../p2p/network.ts';
import type { ChainStore } from '../state/store.ts';
import { CLOCKS } from './clocks.ts';
import type { NodeConfig } from './config.ts';

/** Block times without a block that are no accident: on a chain by work one in 22,000 waits that long. */
const STALE_BLOCKS = 10;
/** Not sooner, however fast the blocks of a chain come. */
const LEAST_LIMIT_MS = 60_000;
const CHECK_MS = 10_000;

/** How old the best block may be, in milliseconds. */
export function tipLimit(blockTimeMs: number): number {
  return Math.max(STALE_BLOCKS * blockTimeMs, LEAST_LIMIT_MS);
}

/** Whether the tip is stale, from its age at each look. Clockless. */
export class TipAge {
  readonly #limitMs: number;
  /** When the node was last near the tip or caught up, and how far it is behind since then; at worst, while stale. */
  #mark: { readonly at: number; readonly lag: number | undefined } | undefined;
  #isStale = false;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  /** Looks at `at`, on a clock that never jumps, at a best block that is `lag` old (both ms); what changed, if any. */
  look(at: number, lag: number): 'stale' | 'over' | undefined {
    const was = this.#isStale;
    const isNear = lag <= this.#limitMs;
    const { at: since, lag: known = lag } = this.#mark ?? { at };
    const behind = was ? Math.max(known, lag) : known;
    if (isNear) this.#mark = { at: at - Math.max(0, lag), lag: undefined };
    else this.#mark = lag <= behind - this.#limitMs ? { at, lag } : { at: since, lag: behind };
    this.#isStale = !isNear && at - this.#mark.at >= this.#limitMs;
    if (was === this.#isStale) return undefined;
    return was ? 'over' : 'stale';
  }
}

type Log = (level: 'info' | 'warn', text: string) => void;

export interface TipWatchParts {
  readonly blockTimeMs: number;
  /** Height and timestamp (Unix ms) of the best block. */
  best(): { readonly number: number; readonly timestamp: number };
  readonly network: Pick<Network, 'peers' | 'tryOthers'>;
  /** Nobody was named to this node: while nobody came either, it is meant to be alone. */
  readonly isLoner: boolean;
  readonly log: Log;
}

export class TipWatch {
  readonly #parts: TipWatchParts;
  readonly #limitMs: number;
  readonly #age: TipAge;
  #triedAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: TipWatchParts) {
    this.#parts = parts;
    this.#limitMs = tipLimit(parts.blockTimeMs);
    this.#age = new TipAge(this.#limitMs);
  }

  get isStale(): boolean {
    return this.#age.isStale;
  }

  start(): void {
    this.check(CLOCKS.steady(), CLOCKS.wall());
    this.#timer = setInterval(() => this.check(CLOCKS.steady(), CLOCKS.wall()), CHECK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Looks: `at` is of a clock that never jumps, `wall` of the one that blocks are dated by. */
  check(at: number, wall: number): void {
    const { best, network, isLoner, log } = this.#parts;
    const { number, timestamp } = best();
    const peers = network.peers().length;
    const lag = isLoner && peers === 0 ? 0 : wall - timestamp;
    const change = this.#age.look(at, lag);
    if (change === 'over') log('info', `tip: newer blocks come, the best is #${number}`);
    if (change === 'stale') {
      const what =
        number === 0 ? 'no block but genesis' : `the best block #${number} is ${Math.round(lag / 1_000)} s old`;
      log('warn', `tip: ${what}, with ${peers} peers: is this node cut off?`);
    }
    if (!this.isStale || (change === undefined && at - this.#triedAt < this.#limitMs)) return;
    this.#triedAt = at;
    network.tryOthers();
  }
}

/** The watch over a node's best block. */
export function tipWatch({ spec, p2p }: NodeConfig, store: ChainStore, network: Network, log: Log): TipWatch {
  return new TipWatch({
    blockTimeMs: spec.consensus.blockTimeMs,
    best: () => ({ number: store.best.number, timestamp: metaOf(store, store.best.hash).timestamp }),
    network,
    isLoner: !p2p.mdns && p2p.bootnodes.length + p2p.reservedNodes.length === 0,
    log,
  });
}
