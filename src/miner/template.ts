/**
 * # Template: the newest block to be won, shared with training threads without a message.
 *
 * Always true: a reader sees a whole template or the one before, never a mixture (a sequence lock: odd while written).
 * A thread reads it before every mined GEMM, so a new template applies from the next GEMM on.
 */
import type { Bytes } from '../base/bytes.ts';

/** Layout of the shared memory, in bytes. */
const SEQUENCE = 0;
const STOP = 4;
const ID_LENGTH = 8;
const HEADER_LENGTH = 12;
const BOOST = 16;
const DIFFICULTY = 24;
const ID = 56;
const ID_BYTES = 96;
const HEADER = ID + ID_BYTES;
/** A header without its author's item: a few hundred bytes unless a set change is announced. */
const HEADER_BYTES = 65_536;

const TEMPLATE_BYTES = HEADER + HEADER_BYTES;

export interface Template {
  readonly id: string;
  /** SCALE of the header without `pow_` items. */
  readonly header: Bytes;
  readonly difficulty: bigint;
  readonly boostPpm: number;
}

/** The writer's end, and the switch that asks a thread to stop at the next segment's end. */
export class TemplateBoard {
  readonly memory = new SharedArrayBuffer(TEMPLATE_BYTES);
  readonly #words = new Int32Array(this.memory, 0, 4);

  publish(template: Template): void {
    const id = new TextEncoder().encode(template.id).subarray(0, ID_BYTES);
    if (template.header.length > HEADER_BYTES) return;
    const view = new DataView(this.memory);
    Atomics.add(this.#words, SEQUENCE / 4, 1);
    view.setUint32(ID_LENGTH, id.length, true);
    view.setUint32(HEADER_LENGTH, template.header.length, true);
    view.setUint32(BOOST, template.boostPpm, true);
    for (let i = 0; i < 4; i++)
      view.setBigUint64(DIFFICULTY + 8 * i, (template.difficulty >> BigInt(64 * i)) & LANE, true);
    new Uint8Array(this.memory).set(id, ID);
    new Uint8Array(this.memory).set(template.header, HEADER);
    Atomics.add(this.#words, SEQUENCE / 4, 1);
  }

  /** Asks the thread to stop at the end of the segment that it trains. */
  requestStop(stop: boolean): void {
    Atomics.store(this.#words, STOP / 4, stop ? 1 : 0);
  }
}

const LANE = 0xffff_ffff_ffff_ffffn;

/** A reader's end; caches the template until its sequence changes. */
export class TemplateReader {
  readonly #memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  #sequence = 0;
  #template: Template | undefined;

  constructor(memory: SharedArrayBuffer) {
    this.#memory = memory;
    this.#words = new Int32Array(memory, 0, 4);
  }

  /** The newest template; undefined before the first. */
  read(): Template | undefined {
    for (;;) {
      const before = Atomics.load(this.#words, SEQUENCE / 4);
      if (before === this.#sequence) return this.#template;
      if (before % 2 !== 0) continue;
      const template = this.#copy();
      if (Atomics.load(this.#words, SEQUENCE / 4) !== before) continue;
      this.#sequence = before;
      this.#template = template;
      return template;
    }
  }

  get stopRequested(): boolean {
    return Atomics.load(this.#words, STOP / 4) === 1;
  }

  #copy(): Template {
    const view = new DataView(this.#memory);
    const bytes = new Uint8Array(this.#memory);
    let difficulty = 0n;
    for (let i = 3; i >= 0; i--) difficulty = (difficulty << 64n) | view.getBigUint64(DIFFICULTY + 8 * i, true);
    const id = bytes.slice(ID, ID + Math.min(view.getUint32(ID_LENGTH, true), ID_BYTES));
    const length = Math.min(view.getUint32(HEADER_LENGTH, true), HEADER_BYTES);
    return {
      id: new TextDecoder().decode(id),
      header: bytes.slice(HEADER, HEADER + length),
      difficulty,
      boostPpm: view.getUint32(BOOST, true),
    };
  }
}
