/** # Limits: every bound of the port in one table (ADVERSARY.md section 3); tests tighten them, operators some. */

export interface Limits {
  /** WebSockets, and as many HTTP connections beside them; more are answered 503. */
  readonly connections: number;
  readonly requestBytes: number;
  /** One answer, and the answers of one batch together. */
  readonly responseBytes: number;
  /** Calls of one batch; 0 answers none. */
  readonly batchCalls: number;
  /** Calls a minute of one connection; undefined does not count. */
  readonly callsPerMinute: number | undefined;
  /** Subscriptions of one connection. */
  readonly subscriptions: number;
  /** Keys that the storage subscriptions of one connection watch together: each keeps its last value in memory. */
  readonly watchedKeys: number;
  /** A subscriber that does not read is cut off beyond this; an honest one holds a few kilobytes. */
  readonly sendQueueBytes: number;
  /** While more than this waits to be sent to a client, its next request is not looked at. */
  readonly answerQueueBytes: number;
  readonly headersMs: number;
  readonly requestMs: number;
  /** HTTP connections that say nothing for this long are closed. */
  readonly idleMs: number;
  /** WebSockets are pinged this often; who leaves two pings unanswered is cut off. */
  readonly pingMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  connections: 100,
  requestBytes: 1_048_576,
  responseBytes: 15 * 1_048_576,
  batchCalls: 100,
  callsPerMinute: undefined,
  subscriptions: 256,
  watchedKeys: 8_192,
  sendQueueBytes: 8 * 1_048_576,
  answerQueueBytes: 1_048_576,
  headersMs: 10_000,
  requestMs: 20_000,
  idleMs: 60_000,
  pingMs: 30_000,
};

/** Nested brackets of one request. */
export const DEPTH = 64;
/** Work that holds the thread for longer gives way to others in between: a thirtieth of what a person notices. */
export const SLICE_MS = 3;
