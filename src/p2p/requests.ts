/**
 * # Requests: questions to peers, and answers to theirs, within quotas.
 *
 * Always true: a peer has at most MAX_INBOUND_STREAMS questions open with us per protocol, its questions pass a
 * bucket of their own, and answers not yet taken are bounded, over all peers and for each of them. A question that
 * comes too early is held back, so an honest peer that asks in parallel is slowed and not failed.
 */
import { Bug } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { P2pError, RequestError } from './errors.ts';
import {
  ANSWER_HEAD,
  ANSWER_OK,
  ANSWER_REFUSED,
  type FrameStream,
  message,
  QUESTION_HEAD,
  readFrame,
  sendAnswer,
  sendQuestion,
} from './frames.ts';
import type { RequestHandler, RequestOptions } from './network.ts';
import { Quota } from './quota.ts';
import {
  MAX_ANSWER_BYTES,
  MAX_ANSWER_BYTES_PER_PEER,
  MAX_HOLD_MS,
  MAX_INBOUND_STREAMS,
  MAX_OUTBOUND_REQUESTS,
  MAX_WAITING_REQUESTS,
  READ_TIMEOUT_MS,
  REQUEST_LIMITS,
  type WireProtocol,
  WRITE_TIMEOUT_MS,
} from './wire.ts';

/** What a peer loses for a question that is too large, and for one beyond its quota. */
const OVERSIZE_PENALTY = -25;
const FLOOD_PENALTY = -2;

export interface RequestsHost {
  now(): number;
  /** A stream to the peer. Rejects with RequestError Disconnected or Refused. */
  open(peer: string, protocol: WireProtocol, signal: AbortSignal): Promise<FrameStream>;
  report(peer: string, delta: number, reason: string): void;
  log(text: string): void;
}

/** Questions of ours to one peer on one protocol. */
interface Lane {
  open: number;
  readonly waiting: (() => void)[];
}

export class Requests {
  private readonly host: RequestsHost;
  private readonly handlers = new Map<WireProtocol, RequestHandler>();
  private readonly quota = new Quota();
  private readonly lanes = new Map<string, Lane>();
  private readonly answering = new Map<string, number>();
  /** Bytes of answers not yet taken, by peer, and of all of them. */
  private readonly untaken = new Map<string, number>();
  private allUntaken = 0;

  constructor(host: RequestsHost) {
    this.host = host;
  }

  handle(protocol: WireProtocol, handler: RequestHandler): void {
    this.handlers.set(protocol, handler);
  }

  /** Asks; at most MAX_OUTBOUND_REQUESTS at a time per peer and protocol, the rest wait in order. */
  async request(peer: string, protocol: WireProtocol, payload: Bytes, options: RequestOptions): Promise<Bytes> {
    const limit = REQUEST_LIMITS[protocol].maxRequest;
    if (payload.length > limit) throw new P2pError('MessageTooLarge', `${payload.length} > ${limit} bytes`);
    const signal = AbortSignal.timeout(options.timeoutMs);
    const key = `${protocol} ${peer}`;
    await this.enter(key, signal);
    try {
      return await this.ask(peer, protocol, payload, options.maxBytes, signal);
    } finally {
      this.leave(key);
    }
  }

  /** Answers the one question of a stream that the peer opened. Never rejects, but for a Bug of ours. */
  async serve(stream: FrameStream, peer: string, protocol: WireProtocol): Promise<void> {
    const key = `${protocol} ${peer}`;
    const open = this.answering.get(key) ?? 0;
    if (open >= MAX_INBOUND_STREAMS) return stream.abort(new Error('too many streams'));
    this.answering.set(key, open + 1);
    try {
      await this.answer(stream, peer, protocol);
    } catch (error) {
      if (error instanceof Bug) throw error;
      this.host.log(`${protocol} question of ${peer}: ${message(error)}`);
      stream.abort(new Error('refused'));
    } finally {
      const left = (this.answering.get(key) ?? 1) - 1;
      if (left > 0) this.answering.set(key, left);
      else this.answering.delete(key);
    }
  }

  private async ask(
    peer: string,
    protocol: WireProtocol,
    payload: Bytes,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<Bytes> {
    const stream = await this.host.open(peer, protocol, signal);
    let complete = false;
    try {
      sendQuestion(stream, payload);
      const answer = await readFrame(stream, ANSWER_HEAD, maxBytes, signal);
      complete = true;
      if (answer.status !== ANSWER_OK) throw new RequestError('Refused', `${protocol}, status ${answer.status}`);
      return answer.payload;
    } finally {
      if (!complete) stream.abort(new Error('no answer'));
    }
  }

  private async answer(stream: FrameStream, peer: string, protocol: WireProtocol): Promise<void> {
    const limits = REQUEST_LIMITS[protocol];
    const asked = this.quota.take(`${protocol} ${peer}`, limits, this.host.now(), MAX_HOLD_MS);
    const wait = Math.max(asked, this.owed(peer, protocol, 0, MAX_HOLD_MS));
    if (wait === Number.POSITIVE_INFINITY) {
      this.host.report(peer, FLOOD_PENALTY, `${protocol} quota`);
      return this.reply(stream, peer, undefined);
    }
    const question = await readFrame(
      stream,
      QUESTION_HEAD,
      limits.maxRequest,
      AbortSignal.timeout(READ_TIMEOUT_MS),
    ).catch((error: unknown) => {
      if (error instanceof RequestError && (error.code === 'TooLarge' || error.code === 'Malformed')) {
        this.host.report(peer, OVERSIZE_PENALTY, `${protocol} question ${error.code}`);
      }
      throw error;
    });
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const handler = this.handlers.get(protocol);
    const payload = handler && (await this.handled(handler, question.payload, peer, protocol));
    this.owed(peer, protocol, payload?.length ?? 0, Number.POSITIVE_INFINITY);
    return this.reply(stream, peer, payload);
  }

  /** Counts bytes of answers; how long the peer has to wait for what it had already, Infinity beyond `maxWait`. */
  private owed(peer: string, protocol: WireProtocol, count: number, maxWait: number): number {
    const { bytes } = REQUEST_LIMITS[protocol];
    if (bytes === undefined) return 0;
    return this.quota.take(`${protocol} bytes ${peer}`, bytes, this.host.now(), maxWait, count);
  }

  /** The handler's answer, or undefined when it refused or made too long a one. */
  private async handled(
    handler: RequestHandler,
    question: Bytes,
    peer: string,
    protocol: WireProtocol,
  ): Promise<Bytes | undefined> {
    try {
      const payload = await handler(question, peer);
      if (payload.length <= REQUEST_LIMITS[protocol].maxResponse) return payload;
      this.host.log(`${protocol} answer to ${peer} of ${payload.length} bytes is too large`);
    } catch (error) {
      if (error instanceof Bug) throw error;
      this.host.log(`${protocol} question of ${peer} refused: ${message(error)}`);
    }
    return undefined;
  }

  /** Sends the answer, or a refusal when there is none or too much waits to be taken already. */
  private async reply(stream: FrameStream, peer: string, answer: Bytes | undefined): Promise<void> {
    const size = answer?.length ?? 0;
    const own = (this.untaken.get(peer) ?? 0) + size;
    const fits = own <= MAX_ANSWER_BYTES_PER_PEER && this.allUntaken + size <= MAX_ANSWER_BYTES;
    const signal = AbortSignal.timeout(WRITE_TIMEOUT_MS);
    if (answer === undefined || !fits) {
      return sendAnswer(stream, { status: ANSWER_REFUSED, payload: new Uint8Array(0) }, signal);
    }
    this.untaken.set(peer, own);
    this.allUntaken += size;
    try {
      await sendAnswer(stream, { status: ANSWER_OK, payload: answer }, signal);
    } finally {
      this.allUntaken -= size;
      const left = (this.untaken.get(peer) ?? size) - size;
      if (left > 0) this.untaken.set(peer, left);
      else this.untaken.delete(peer);
    }
  }

  private async enter(key: string, signal: AbortSignal): Promise<void> {
    let lane = this.lanes.get(key);
    if (lane === undefined) {
      lane = { open: 0, waiting: [] };
      this.lanes.set(key, lane);
    }
    if (lane.open < MAX_OUTBOUND_REQUESTS) {
      lane.open++;
      return;
    }
    const { waiting } = lane;
    if (waiting.length >= MAX_WAITING_REQUESTS) throw new RequestError('Refused', 'too many questions wait');
    await new Promise<void>((resolve, reject) => {
      const expired = (): void => {
        waiting.splice(waiting.indexOf(entered), 1);
        reject(new RequestError('Timeout', 'waiting for a free stream'));
      };
      const entered = (): void => {
        signal.removeEventListener('abort', expired);
        resolve();
      };
      signal.addEventListener('abort', expired, { once: true });
      waiting.push(entered);
    });
  }

  /** Hands the place to the next in line, or frees it. */
  private leave(key: string): void {
    const lane = this.lanes.get(key);
    if (lane === undefined) return;
    const next = lane.waiting.shift();
    if (next === undefined) lane.open--;
    else next();
    if (lane.open === 0) this.lanes.delete(key);
  }
}
