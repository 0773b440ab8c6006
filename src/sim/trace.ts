/**
 * # Trace: what happened, as one number to compare runs by, and the last lines to read when one fails.
 *
 * Always true: two runs with the same hash did the same things at the same times in the same order; at most LINES are
 * kept.
 */
import { type Bytes, toHex } from '../base/bytes.ts';
import type { Millis } from '../consensus/difficulty.ts';

const LINES = 60;

/** Of a block its hash; of other things a number or a word. */
export type Detail = Bytes | number | string | undefined;

interface Line {
  readonly at: Millis;
  readonly who: string;
  readonly what: string;
  readonly of: Detail;
  readonly number: number | undefined;
}

export class Trace {
  private a = 0x243f6a88;
  private b = 0x85a308d3;
  private readonly start: Millis;
  private readonly kept: (Line | undefined)[] = new Array(LINES).fill(undefined);
  private noted = 0;

  constructor(start: Millis) {
    this.start = start;
  }

  note(at: Millis, who: string, what: string, of?: Detail, number?: number): void {
    this.kept[this.noted++ % LINES] = { at, who, what, of, number };
    this.mix(at - this.start);
    this.word(who);
    this.word(what);
    if (typeof of === 'number') this.mix(of);
    else if (typeof of === 'string') this.word(of);
    else if (of !== undefined) {
      const [w, x, y, z] = of;
      this.mix((((w ?? 0) << 24) | ((x ?? 0) << 16) | ((y ?? 0) << 8) | (z ?? 0)) >>> 0);
    }
    if (number !== undefined) this.mix(number);
  }

  /** 16 hex digits. */
  get hash(): string {
    return [this.a, this.b].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** The last lines, oldest first: seconds since the start, who, what. */
  lines(): string[] {
    const out: string[] = [];
    for (let i = 0; i < LINES; i++) {
      const line = this.kept[(this.noted + i) % LINES];
      if (line === undefined) continue;
      const { at, who, what, of, number } = line;
      const seconds = ((at - this.start) / 1_000).toFixed(3).padStart(9);
      const detail = of instanceof Uint8Array ? toHex(of).slice(0, 10) : `${of ?? ''}`;
      out.push(`${seconds} ${who.padEnd(4)} ${what} ${detail}${number === undefined ? '' : ` #${number}`}`.trimEnd());
    }
    return out;
  }

  private word(text: string): void {
    for (let i = 0; i < text.length; i++) this.mix(text.charCodeAt(i));
  }

  private mix(value: number): void {
    this.a = Math.imul(this.a ^ value, 0x9e3779b1) ^ (this.b >>> 15);
    this.b = Math.imul(this.b + this.a, 0x85ebca77) ^ (this.a >>> 13);
  }
}
