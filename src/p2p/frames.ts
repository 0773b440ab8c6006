/**
 * # Frames: one question and one answer per stream, each a length, its bytes, and the end of the stream.
 *
 * Always true: a length is checked before anything is held for it, and memory follows what has arrived, not what was
 * announced: the buffer starts at 1 MiB at most and doubles as it fills. Question = length u32 LE, bytes;
 * answer = status u8, length u32 LE, bytes. Anything after the frame is malformed.
 */
import type { Bytes } from '../base/bytes.ts';
import { RequestError } from './errors.ts';

export const QUESTION_HEAD = 4;
export const ANSWER_HEAD = 5;
export const ANSWER_OK = 0;
export const ANSWER_REFUSED = 1;

/** The first buffer: an answer of blob chunks fits, so it is copied once. */
const FIRST_BUFFER_BYTES = 1025 * 1024;
/** Smaller payloads are joined with their head into one write. */
const JOIN_BYTES = 16 * 1024;

const ENDED: ReadonlySet<string> = new Set(['closed', 'aborted', 'reset']);

/** What is used of a libp2p stream; the data of a message is one byte array, or a list of them. */
export interface FrameStream {
  readonly readableEnded: boolean;
  readonly readBufferLength: number;
  readonly status: string;
  addEventListener(type: 'message', listener: (event: { data: Bytes | Iterable<Bytes> }) => void): void;
  addEventListener(type: 'end' | 'close', listener: (event: { error?: Error }) => void): void;
  removeEventListener(type: string, listener: unknown): void;
  send(data: Bytes): boolean;
  close(options?: { signal?: AbortSignal }): Promise<void>;
  abort(error: Error): void;
}

export interface Frame {
  readonly status: number;
  readonly payload: Bytes;
}

/** Writes a question, and ends our side of the stream in the background. Throws RequestError Disconnected. */
export function sendQuestion(stream: FrameStream, payload: Bytes): void {
  const head = new Uint8Array(QUESTION_HEAD);
  new DataView(head.buffer).setUint32(0, payload.length, true);
  send(stream, head, payload);
  // A failure to close shows as the stream's close event, which whoever reads the answer sees.
  stream.close().catch(() => {});
}

/** Writes an answer and waits until the peer's window has taken it. Rejects when the stream ends before that. */
export async function sendAnswer(stream: FrameStream, frame: Frame, signal: AbortSignal): Promise<void> {
  const head = new Uint8Array(ANSWER_HEAD);
  head[0] = frame.status;
  new DataView(head.buffer).setUint32(1, frame.payload.length, true);
  send(stream, head, frame.payload);
  await stream.close({ signal });
}

function send(stream: FrameStream, head: Bytes, payload: Bytes): void {
  try {
    if (payload.length > JOIN_BYTES) {
      stream.send(head);
      stream.send(payload);
      return;
    }
    const joined = new Uint8Array(head.length + payload.length);
    joined.set(head);
    joined.set(payload, head.length);
    stream.send(joined);
  } catch (error) {
    throw new RequestError('Disconnected', message(error));
  }
}

/**
 * The one frame of the stream, complete and followed by its end. `head` says which: a question has status 0.
 * Rejects with RequestError TooLarge, Malformed, Disconnected, or Timeout when `signal` aborts.
 */
export function readFrame(stream: FrameStream, head: number, limit: number, signal: AbortSignal): Promise<Frame> {
  return new Promise((resolve, reject) => {
    const assembly = new Assembly(head, limit);
    const finish = (error?: RequestError): void => {
      stream.removeEventListener('message', onMessage);
      stream.removeEventListener('end', onEnd);
      stream.removeEventListener('close', onClose);
      signal.removeEventListener('abort', onAbort);
      if (error === undefined) resolve(assembly.frame());
      else reject(error);
    };
    const onMessage = (event: { data: Bytes | Iterable<Bytes> }): void => {
      const fault = assembly.push(event.data);
      if (fault !== undefined) finish(fault);
      else if (stream.readableEnded || stream.status === 'closed') onEnd();
    };
    // What the negotiation read too far is pushed back, and comes after the end was told, which is told only once.
    const onEnd = (): void => {
      if (stream.readBufferLength === 0) finish(assembly.fault());
    };
    const onClose = (event: { error?: Error }): void => {
      if (event.error === undefined) onEnd();
      else finish(new RequestError('Disconnected', event.error.message));
    };
    const onAbort = (): void => finish(new RequestError('Timeout', 'reading'));
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort);
    stream.addEventListener('end', onEnd);
    stream.addEventListener('close', onClose);
    stream.addEventListener('message', onMessage);
    if (stream.readableEnded || ENDED.has(stream.status)) onEnd();
  });
}

/** Bytes of one frame as they arrive. */
class Assembly {
  private readonly head: Bytes;
  private readonly limit: number;
  private headFilled = 0;
  private payload: Bytes = new Uint8Array(0);
  private filled = 0;
  private length = -1;

  constructor(head: number, limit: number) {
    this.head = new Uint8Array(head);
    this.limit = limit;
  }

  push(data: Bytes | Iterable<Bytes>): RequestError | undefined {
    if (data instanceof Uint8Array) return this.append(data);
    for (const part of data) {
      const fault = this.append(part);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** What is wrong if the stream ends here. */
  fault(): RequestError | undefined {
    if (this.length >= 0 && this.filled === this.length) return undefined;
    const missing = this.length < 0 ? 'no length' : `${this.filled} of ${this.length} bytes`;
    return new RequestError('Disconnected', `the stream ended after ${missing}`);
  }

  frame(): Frame {
    return { status: this.head.length === ANSWER_HEAD ? (this.head[0] as number) : 0, payload: this.payload };
  }

  private append(part: Bytes): RequestError | undefined {
    let rest = part;
    if (this.length < 0) {
      const taken = Math.min(this.head.length - this.headFilled, rest.length);
      this.head.set(rest.subarray(0, taken), this.headFilled);
      this.headFilled += taken;
      if (this.headFilled < this.head.length) return undefined;
      this.length = new DataView(this.head.buffer).getUint32(this.head.length - 4, true);
      if (this.length > this.limit) return new RequestError('TooLarge', `${this.length} > ${this.limit} bytes`);
      this.payload = new Uint8Array(Math.min(this.length, FIRST_BUFFER_BYTES));
      rest = rest.subarray(taken);
    }
    if (rest.length === 0) return undefined;
    const end = this.filled + rest.length;
    if (end > this.length) return new RequestError('Malformed', 'bytes after the frame');
    if (end > this.payload.length) {
      const larger = new Uint8Array(Math.min(this.length, Math.max(end, 2 * this.payload.length)));
      larger.set(this.payload.subarray(0, this.filled));
      this.payload = larger;
    }
    this.payload.set(rest, this.filled);
    this.filled = end;
    return undefined;
  }
}

/** The sentence of whatever was thrown. */
export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
