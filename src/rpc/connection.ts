/**
 * # Connection: one client's subscriptions.
 *
 * Always true: a subscription's id is answered before its first event, and nothing is sent after its end; their number
 * and the keys that they watch are bounded; when the client leaves, everything that it subscribed to ends.
 */
import { encodeJson } from './encode.ts';
import { tooManySubscriptions } from './errors.ts';
import type { Limits } from './limits.ts';

/** Where events go. */
export interface Sink {
  emit(result: unknown): void;
  /** Ends the subscription from this side. */
  end(): void;
  readonly isOver: boolean;
}

/** The socket below. */
export interface Wire {
  send(text: string): void;
  /** Ends a client that takes too much. */
  cut(): void;
}

export class Connection {
  readonly #wire: Wire;
  readonly #limits: Limits;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Those whose id was not answered yet; at most the calls of one request. */
  #opening: Subscription[] = [];
  /** What else ends with the client; bounded by whoever adds to it. */
  readonly #onClose = new Set<() => void>();
  /** What follows the answers of this request; at most its calls. */
  #afterAnswer: (() => void)[] = [];
  #nextId = 1;
  #watchedKeys = 0;
  #heldBytes = 0;

  constructor(wire: Wire, limits: Limits) {
    this.#wire = wire;
    this.#limits = limits;
  }

  /** Begins a subscription whose events carry this method's name. Throws -32006 beyond the limit. */
  open(method: string): Subscription {
    const { subscriptions } = this.#limits;
    if (this.#subscriptions.size >= subscriptions) throw tooManySubscriptions(`at most ${subscriptions}`);
    const id = `s${this.#nextId++}`;
    const opened = new Subscription(id, method, {
      send: (text) => this.#wire.send(text),
      hold: (text) => this.#hold(text),
      forget: () => this.#subscriptions.delete(id),
    });
    this.#subscriptions.set(id, opened);
    this.#opening.push(opened);
    return opened;
  }

  /** Ends a subscription; false when there is none of this name. */
  close(id: string): boolean {
    const found = this.#subscriptions.get(id);
    found?.end();
    return found !== undefined;
  }

  /** Counts keys that are watched until the returned function is called. Throws -32006 beyond the limit. */
  watch(keys: number): () => void {
    const { watchedKeys } = this.#limits;
    if (this.#watchedKeys + keys > watchedKeys) throw tooManySubscriptions(`at most ${watchedKeys} watched keys`);
    this.#watchedKeys += keys;
    return () => {
      this.#watchedKeys -= keys;
    };
  }

  /** Does `work` when the answer of the present call is on its way; for calls that are answered by a promise. */
  afterAnswer(work: () => void): void {
    this.#afterAnswer.push(work);
  }

  /** The answers with the ids are on their way: events may follow. */
  release(): void {
    this.#releaseOpened();
    const waiting = this.#afterAnswer;
    if (waiting.length === 0) return;
    this.#afterAnswer = [];
    for (const work of waiting) work();
  }

  #releaseOpened(): void {
    if (this.#opening.length === 0) return;
    const opened = this.#opening;
    this.#opening = [];
    this.#heldBytes = 0;
    for (const subscription of opened) subscription.release();
  }

  /** Does `work` when the client is gone, unless the returned function is called before. */
  onClose(work: () => void): () => void {
    this.#onClose.add(work);
    return () => {
      this.#onClose.delete(work);
    };
  }

  /** The client is gone. */
  closeAll(): void {
    for (const work of this.#onClose) work();
    this.#onClose.clear();
    for (const subscription of [...this.#subscriptions.values()]) subscription.end();
    this.#opening = [];
    this.#afterAnswer = [];
  }

  #hold(text: string): void {
    this.#heldBytes += text.length;
    if (this.#heldBytes > this.#limits.sendQueueBytes) this.#wire.cut();
  }
}

interface Ties {
  send(text: string): void;
  hold(text: string): void;
  forget(): void;
}

export class Subscription implements Sink {
  readonly id: string;
  readonly #method: string;
  readonly #ties: Ties;
  #held: string[] | undefined = [];
  #stop: (() => void) | undefined;
  #isOver = false;

  constructor(id: string, method: string, ties: Ties) {
    this.id = id;
    this.#method = method;
    this.#ties = ties;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  emit(result: unknown): void {
    if (this.#isOver) return;
    const { id } = this;
    const text = encodeJson({ jsonrpc: '2.0', method: this.#method, params: { subscription: id, result } });
    if (this.#held === undefined) this.#ties.send(text);
    else {
      this.#held.push(text);
      this.#ties.hold(text);
    }
  }

  /** What to do at the end; done at once if that has come already. */
  onEnd(stop: () => void): void {
    if (this.#isOver) stop();
    else this.#stop = stop;
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ties.forget();
    this.#stop?.();
  }

  /** It did not begin: nobody will learn its id. */
  abandon(): void {
    this.#held = [];
    this.end();
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const text of held) this.#ties.send(text);
  }
}
