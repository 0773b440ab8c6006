/**
 * # Under weather: processes that each hold a view of one chain, under a virtual clock and a seed.
 *
 * Blocks are headers, which come late and are never lost; messages are late, lost and out of order; a crash drops the
 * effects that were not performed yet, as a crash would. What a process is: many-voters.ts, many-gadgets.ts.
 */
import assert from 'node:assert/strict';
import { must } from '../../../src/base/assert.ts';
import { standsOn } from '../../../src/consensus/finality/vote-graph.ts';
import type { DigestItem } from '../../../src/primitives/digest.ts';
import { Clock } from '../../../src/sim/clock.ts';
import type { BlockRef } from '../../../src/state/store.ts';
import { dice } from '../../base/dice.ts';
import { Headers } from './headers.ts';

export const T = 1_000;
const BLOCK_MS = 3_000;

export interface Weather {
  /** Of 100 messages. */
  readonly loss: number;
  readonly delayMs: number;
  /** Of 100 effects that a crash follows. */
  readonly crashes: number;
}

/** A block as it is told of. */
interface Made {
  readonly parent: string;
  readonly digest: readonly DigestItem[];
}

export interface Process {
  readonly name: string;
  readonly chain: Headers;
  /** Blocks whose parent has not come yet, by name. */
  readonly waiting: Map<string, Made>;
  wake: number | undefined;
}

export function newProcess(name: string): Process {
  return { name, chain: new Headers(), waiting: new Map(), wake: undefined };
}

export abstract class UnderWeather<P extends Process> extends Clock {
  weather: Weather;
  crashed = 0;
  /** Everything that was ever built. */
  readonly chain = new Headers();
  protected readonly made: [string, Made][] = [];
  /** Integers below a number, of the seed. */
  protected readonly below: (n: number) => number;
  private readonly seed: number;
  private built = 0;

  constructor(seed: number, weather: Weather) {
    super(0);
    this.seed = seed;
    this.below = dice(seed);
    this.weather = weather;
  }

  protected abstract processes(): readonly P[];
  /** The last block that a process holds final. */
  protected abstract finalOf(process: P): BlockRef;
  /** Makes a process's machine from what its disk holds. */
  protected abstract start(process: P): void;
  /** Drops its machine. */
  protected abstract end(process: P): void;
  protected abstract tell(process: P, input: { readonly type: 'head' } | { readonly type: 'tick' }): void;
  /** Digest of a block at a height. */
  protected abstract digestAt(number: number): readonly DigestItem[];

  run(ms: number): void {
    const end = this.now + ms;
    while (this.step(end));
  }

  /** Starts all processes and the building of blocks. */
  protected begin(): void {
    for (const process of this.processes()) this.start(process);
    this.after(BLOCK_MS, () => this.build());
  }

  /** Somebody's block on what he holds best, or, one time in four, beside it: a fork. */
  private build(): void {
    const name = `${++this.built}`;
    const processes = this.processes();
    const builder = processes[this.below(processes.length)] as P;
    const final = this.finalOf(builder);
    const best = must(builder.chain.bestOn(final), 'what is final is known');
    const beside = this.below(4) === 0 && best.number > final.number;
    const on = beside ? must(builder.chain.ancestor(best.hash, best.number - 1), 'a parent') : best;
    const made = { parent: must(builder.chain.name(on), 'a name'), digest: this.digestAt(on.number + 1) };
    this.chain.growWith(made.digest, made.parent, name);
    this.made.push([name, made]);
    for (const process of processes) {
      this.after(this.below(this.weather.delayMs), () => this.bring(process, name, made));
    }
    this.after(BLOCK_MS, () => this.build());
  }

  /** A block comes to a process, and with it those that waited for it. */
  protected bring(process: P, name: string, made: Made): void {
    const { chain, waiting } = process;
    waiting.set(name, made);
    for (let found = true; found; ) {
      found = false;
      for (const [block, { parent, digest }] of waiting) {
        if (!chain.has(parent)) continue;
        chain.growWith(digest, parent, block);
        waiting.delete(block);
        found = true;
      }
    }
    this.tell(process, { type: 'head' });
  }

  /** Wakes a process when its machine asks for it. */
  protected wakeAt(process: P, wake: number | undefined): void {
    if (wake === undefined || wake === process.wake) return;
    assert.ok(wake > this.now, 'a machine asks to be woken in the future');
    process.wake = wake;
    this.after(wake - this.now, () => {
      if (process.wake !== wake) return;
      process.wake = undefined;
      this.tell(process, { type: 'tick' });
    });
  }

  protected crash(process: P): void {
    this.crashed++;
    this.stopNow(process);
    this.after(1 + this.below(10 * T), () => this.start(process));
  }

  protected stopNow(process: P): void {
    this.end(process);
    process.wake = undefined;
  }

  /** Carries a message, unless the weather takes it. */
  protected carry(deliver: () => void): void {
    if (this.below(100) < this.weather.loss) return;
    this.after(1 + this.below(this.weather.delayMs), deliver);
  }

  /** Fails unless a final block is on one branch with what others hold final. */
  protected ensureOneBranch(block: BlockRef, others: readonly P[]): void {
    for (const process of others) {
      const other = this.finalOf(process);
      const [low, high] = other.number < block.number ? [other, block] : [block, other];
      const names = `${this.chain.name(low)} and ${this.chain.name(high)}`;
      assert.ok(standsOn(this.chain, high, low), `seed ${this.seed}: ${names} are both final`);
    }
  }
}
