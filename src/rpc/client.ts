/**
 * # Client: one WebSocket.
 *
 * Always true: its requests are answered one after the other, in order; a client that asks faster than it reads is not
 * listened to until it has read; one that does not read its events, or does not answer pings, is cut off. What waits
 * for it is bounded by QUEUE_BYTES, the answer under way and the send queue (limits.ts).
 */
import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { Connection } from './connection.ts';
import { answer } from './dispatch.ts';
import { type Limits, SLICE_MS } from './limits.ts';
import { Rate } from './rate.ts';
import type { CallContext } from './registry.ts';
import { breathe } from './turns.ts';

/** Requests that were read and not yet answered, by bytes: beyond, the socket is not read. */
const QUEUE_BYTES = 262_144;
/** Pings without a sign of life in between. */
const MISSED_PINGS = 2;

export class Client {
  readonly #socket: WebSocket;
  /** What the WebSocket writes to. */
  readonly #wire: Duplex;
  readonly #limits: Limits;
  readonly #context: CallContext;
  readonly #connection: Connection;
  #queue: RawData[] = [];
  #queuedBytes = 0;
  #isAnswering = false;
  #isGathering = false;
  /** Until when requests are answered as they come; afterwards from the queue, where others get their turn. */
  #sliceEnd = 0;
  #missedPings = 0;
  /** Whether an answer waits for the client to read, and for how many pings. */
  #isStuck = false;
  #stuckPings = 0;

  constructor(socket: WebSocket, wire: Duplex, context: Omit<CallContext, 'connection'>, limits: Limits) {
    this.#socket = socket;
    this.#wire = wire;
    this.#limits = limits;
    this.#connection = new Connection({ send: (text) => this.#tell(text), cut: () => socket.terminate() }, limits);
    const { callsPerMinute } = limits;
    const rate = callsPerMinute === undefined ? undefined : new Rate(callsPerMinute, performance.now());
    this.#context = { ...context, connection: this.#connection, rate };
    socket.on('message', (data) => this.#hear(data));
    socket.on('pong', () => {
      this.#missedPings = 0;
    });
    // Malformed frames, messages beyond the limit, a lost connection: `close` follows.
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      this.#queue = [];
      this.#connection.closeAll();
    });
  }

  /** Called every `pingMs`. */
  ping(): void {
    this.#stuckPings = this.#isStuck ? this.#stuckPings + 1 : 0;
    if (this.#missedPings >= MISSED_PINGS || this.#stuckPings > MISSED_PINGS) {
      this.#socket.terminate();
      return;
    }
    this.#missedPings++;
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }

  #hear(data: RawData): void {
    this.#missedPings = 0;
    if (!this.#isAnswering && this.#mayAnswerNow()) {
      const text = answer(this.#context, data.toString());
      if (typeof text === 'string' && this.#socket.bufferedAmount < this.#limits.answerQueueBytes) {
        if (text !== '') this.#socket.send(text);
        return;
      }
      void this.#answerAll(this.#finish(text));
      return;
    }
    this.#queue.push(data);
    this.#queuedBytes += sizeOf(data);
    if (this.#queuedBytes > QUEUE_BYTES) this.#socket.pause();
    if (!this.#isAnswering) void this.#answerAll();
  }

  /** Whether this client has had less than a slice's time since the event loop last went round. */
  #mayAnswerNow(): boolean {
    const now = performance.now();
    if (this.#sliceEnd === 0) {
      this.#sliceEnd = now + SLICE_MS;
      setImmediate(() => {
        this.#sliceEnd = 0;
      });
    }
    return now < this.#sliceEnd;
  }

  async #finish(text: string | Promise<string>): Promise<void> {
    await this.#send(await text);
    this.#connection.release();
  }

  /**
   * Until the event loop has gone round, what is sent leaves in one piece: of 100 transfers at once a write for each
   * answer was 8 % of the work (`npm run bench -- G3`).
   */
  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#wire.cork();
    setImmediate(() => {
      this.#isGathering = false;
      this.#wire.uncork();
    });
  }

  /** Answers what is queued, after what is under way. */
  async #answerAll(first?: Promise<void>): Promise<void> {
    this.#isAnswering = true;
    if (first) await first;
    let sliceEnd = performance.now() + SLICE_MS;
    while (this.#queue.length > 0) {
      const requests = this.#queue;
      this.#queue = [];
      for (const data of requests) {
        this.#gather();
        await this.#finish(answer(this.#context, data.toString()));
        this.#queuedBytes -= sizeOf(data);
        if (this.#socket.readyState !== this.#socket.OPEN) return;
        if (performance.now() < sliceEnd) continue;
        await breathe();
        sliceEnd = performance.now() + SLICE_MS;
      }
    }
    this.#isAnswering = false;
    if (this.#socket.isPaused) this.#socket.resume();
  }

  /** Sends an answer; waits until it is on its way if much is waiting already. */
  #send(text: string): Promise<void> | undefined {
    if (text === '' || this.#socket.readyState !== this.#socket.OPEN) return undefined;
    if (this.#socket.bufferedAmount < this.#limits.answerQueueBytes) {
      this.#socket.send(text);
      return undefined;
    }
    this.#isStuck = true;
    return new Promise((resolve) => {
      this.#socket.send(text, () => {
        this.#isStuck = false;
        resolve();
      });
    });
  }

  /** Sends an event: these come whether or not the client reads. */
  #tell(text: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > this.#limits.sendQueueBytes) this.#socket.terminate();
    else this.#socket.send(text);
  }
}

function sizeOf(data: RawData): number {
  return Array.isArray(data) ? data.reduce((sum, part) => sum + part.length, 0) : data.byteLength;
}
