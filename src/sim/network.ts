/**
 * # Network: who reaches whom, when, and how often.
 *
 * Always true: without faults every message arrives once, within MAX_DELAY_MS; with them it may be lost, late, doubled
 * (at once or up to REPLAY_WITHIN_MS later), out of order, or stand in a clogged pipe until that opens.
 */
import type { Millis } from '../consensus/difficulty.ts';
import type { Clock } from './clock.ts';
import type { Dice } from './dice.ts';

const MIN_DELAY_MS = 10;
const MAX_DELAY_MS = 120;
const REPLAY_WITHIN_MS = 60_000;
/** A pipe that is clogged holds so many messages; what comes after them is lost, as a full send queue drops. */
const PIPE = 2_000;

/** What the weather is made of; several may hold at once, and the worst counts. */
export interface Weather {
  /** Of a thousand messages, those that are lost. */
  readonly loss?: number;
  /** Of a thousand messages, those that come once more. */
  readonly replay?: number;
  /** The most that a message takes. */
  readonly delayMs?: Millis;
}

export class Network {
  private readonly clock: Clock;
  private readonly dice: readonly Dice[];
  private readonly weather = new Set<Weather>();
  private readonly cuts = new Set<(a: number, b: number) => boolean>();
  /** What waits at the doors of clogged nodes. */
  private readonly pipes = new Map<number, (() => void)[]>();
  private loss = 0;
  private replay = 0;
  private delayMs = MAX_DELAY_MS;

  /** One stream of draws a sender. */
  constructor(clock: Clock, dice: readonly Dice[]) {
    this.clock = clock;
    this.dice = dice;
  }

  begin(weather: Weather): void {
    this.weather.add(weather);
    this.worst();
  }

  end(weather: Weather): void {
    this.weather.delete(weather);
    this.worst();
  }

  /** Nothing passes between nodes for which `parts` is true. */
  cut(parts: (a: number, b: number) => boolean): void {
    this.cuts.add(parts);
  }

  join(parts: (a: number, b: number) => boolean): void {
    this.cuts.delete(parts);
  }

  reaches(from: number, to: number): boolean {
    for (const parts of this.cuts) if (parts(from, to)) return false;
    return true;
  }

  /** From now on all that goes to or from a node waits. */
  clog(node: number): void {
    if (!this.pipes.has(node)) this.pipes.set(node, []);
  }

  /** What waited comes at once, in any order. */
  unclog(node: number): void {
    const waiting = this.pipes.get(node) ?? [];
    this.pipes.delete(node);
    for (const deliver of (this.dice[node] as Dice).shuffled(waiting)) this.clock.after(this.delay(node), deliver);
  }

  /** Carries a message, or does not. */
  send(from: number, to: number, deliver: () => void): void {
    const dice = this.dice[from] as Dice;
    if (!this.reaches(from, to) || dice.permille(this.loss)) return;
    const pipe = this.pipes.get(from) ?? this.pipes.get(to);
    if (pipe !== undefined) {
      if (pipe.length < PIPE) pipe.push(deliver);
      return;
    }
    this.clock.after(this.delay(from), deliver);
    if (dice.permille(this.replay)) this.clock.after(dice.below(REPLAY_WITHIN_MS), deliver);
  }

  private delay(from: number): Millis {
    return (this.dice[from] as Dice).between(MIN_DELAY_MS, this.delayMs);
  }

  private worst(): void {
    const all = [...this.weather];
    this.loss = Math.max(0, ...all.map(({ loss }) => loss ?? 0));
    this.replay = Math.max(0, ...all.map(({ replay }) => replay ?? 0));
    this.delayMs = Math.max(MAX_DELAY_MS, ...all.map(({ delayMs }) => delayMs ?? 0));
  }
}
