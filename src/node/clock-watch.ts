/**
 * # Clock watch: notices when the clock on the wall is set, and when it is not what peers say.
 *
 * Always true: a line is logged when it is set, and when what peers make of it changes, not more often; no block is
 * made here while more than half of the peers that this node chose would refuse its time.
 */
import type { Millis } from '../consensus/difficulty.ts';
import type { PeerId } from '../sync/messages.ts';
import type { Clocks } from './clocks.ts';
import { type ClockState, type Heard, PeerTime } from './peer-time.ts';

const LOOK_MS = 1_000;
/** Time servers that slew a clock, and a busy machine between the two readings, stay below. */
const SET_MS = 500;

export interface ClockWatchParts {
  readonly clocks: Clocks;
  readonly log: (level: 'info' | 'warn', text: string) => void;
  /** The clock on the wall was set: what waits for one of its times should look again. */
  onSet(): void;
  /** Called when it changes; true at first. */
  setAuthoring(may: boolean): void;
}

export class ClockWatch {
  readonly #parts: ClockWatchParts;
  readonly #peers = new PeerTime();
  #state: ClockState = 'right';
  /** How far the wall's clock is ahead of the steady one. */
  #offset: Millis;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: ClockWatchParts) {
    this.#parts = parts;
    this.#offset = this.#read();
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** A peer that this node chose said what time it is. */
  heard(peer: PeerId, answer: Heard): void {
    this.look();
    this.#peers.heard(peer, answer);
    this.#judge();
  }

  left(peer: PeerId): void {
    this.#peers.left(peer);
  }

  /** How far peers' clocks are ahead of ours; undefined where too few are known. */
  get skew(): Millis | undefined {
    return this.#peers.skew;
  }

  /** Looks whether the clock was set. */
  look(): void {
    const { log, onSet } = this.#parts;
    const by = this.#read() - this.#offset;
    // What drifts slowly is taken along: what peers say of it comes by itself.
    this.#offset += by;
    if (Math.abs(by) < SET_MS) return;
    this.#peers.wasSet(by);
    log('warn', `clock: it was set ${seconds(by)} ${by > 0 ? 'forward' : 'back'}`);
    this.#judge();
    onSet();
  }

  #read(): Millis {
    const { clocks } = this.#parts;
    return clocks.wall() - clocks.steady();
  }

  #judge(): void {
    const { log, setAuthoring } = this.#parts;
    const before = this.#state;
    this.#state = this.#peers.judge();
    if (this.#state === before) return;
    const skew = this.skew ?? 0;
    const said = `clock: it is ${seconds(skew)} ${skew > 0 ? 'behind' : 'ahead of'} most peers`;
    if (this.#state === 'wrong') log('warn', `${said}: no block is made here until it is set`);
    else if (this.#state === 'off') log('warn', `${said}: a time server should set it`);
    else log('info', 'clock: it agrees with most peers again');
    if ((this.#state === 'wrong') !== (before === 'wrong')) setAuthoring(this.#state !== 'wrong');
  }
}

function seconds(ms: Millis): string {
  return `${(Math.abs(ms) / 1_000).toFixed(1)} s`;
}
