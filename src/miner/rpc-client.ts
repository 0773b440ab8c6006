/**
 * # RPC client: one WebSocket to a node, kept alive; what was subscribed is subscribed again after a restart.
 *
 * Always true: a call is answered, refused with the node's code, or fails with RpcDisconnected; none waits for ever.
 */

/** The node's own answer that it will not do this. */
export class RpcRefused extends Error {
  override readonly name = 'RpcRefused';
  readonly code: number;
  readonly data: unknown;
  constructor(method: string, error: { code: number; message: string; data?: unknown }) {
    super(`${method}: ${error.message}${typeof error.data === 'string' ? ` (${error.data})` : ''}`);
    this.code = error.code;
    this.data = error.data;
  }
}

/** The connection broke or the time ran out before an answer came: the call may or may not have been carried out. */
export class RpcDisconnected extends Error {
  override readonly name = 'RpcDisconnected';
}

interface Waiting {
  readonly method: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
  readonly timer: NodeJS.Timeout;
}

interface Subscription {
  readonly method: string;
  readonly params: readonly unknown[];
  readonly onEvent: (value: unknown) => void;
  id: string | number | undefined;
}

const CALL_TIMEOUT_MS = 20_000;
/** Reconnects after 0.25 s, then doubling: a restarted node has its miners back within 2 s. */
const RETRY_MS = [250, 500, 1_000, 2_000];

export class RpcClient {
  readonly url: string;
  readonly #onState: (connected: boolean) => void;
  #socket: WebSocket | undefined;
  #nextId = 1;
  #attempt = 0;
  #closed = false;
  #retry: NodeJS.Timeout | undefined;
  /** At most one entry per outstanding call; each leaves after CALL_TIMEOUT_MS. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #subscriptions: Subscription[] = [];

  /** `url`: ws://host:port. `onState` hears every change of the connection. */
  constructor(url: string, onState: (connected: boolean) => void = () => {}) {
    this.url = url;
    this.#onState = onState;
    this.#connect();
  }

  get connected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** One call. */
  call<T>(method: string, params: readonly unknown[] = []): Promise<T> {
    return this.#ask(method, params, () => {});
  }

  /** `onAnswer` hears the answer before the next message is looked at: a promise would hear it after. */
  #ask<T>(method: string, params: readonly unknown[], onAnswer: (value: T) => void): Promise<T> {
    const socket = this.#socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(new RpcDisconnected(`${method}: not connected to ${this.url}`));
    }
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new RpcDisconnected(`${method}: no answer within ${CALL_TIMEOUT_MS / 1000} s`));
      }, CALL_TIMEOUT_MS);
      const answered = (value: unknown): void => {
        onAnswer(value as T);
        resolve(value as T);
      };
      this.#waiting.set(id, { method, resolve: answered, reject, timer });
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    });
  }

  /** Subscribes now and after every reconnection. */
  subscribe(method: string, params: readonly unknown[], onEvent: (value: unknown) => void): void {
    const subscription: Subscription = { method, params, onEvent, id: undefined };
    this.#subscriptions.push(subscription);
    if (this.connected) this.#start(subscription);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#socket?.close();
    this.#fail('closed');
  }

  #connect(): void {
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#attempt = 0;
      for (const subscription of this.#subscriptions) this.#start(subscription);
      this.#onState(true);
    };
    socket.onmessage = (event) => this.#receive(String(event.data));
    socket.onerror = () => {};
    socket.onclose = () => {
      this.#fail('connection lost');
      for (const subscription of this.#subscriptions) subscription.id = undefined;
      this.#onState(false);
      if (this.#closed) return;
      const wait = RETRY_MS[Math.min(this.#attempt++, RETRY_MS.length - 1)] as number;
      this.#retry = setTimeout(() => this.#connect(), wait);
    };
  }

  #start(subscription: Subscription): void {
    const known = (id: string | number): void => {
      subscription.id = id;
    };
    // A refused subscription is tried again with the next connection; the caller sees the connection's state.
    this.#ask(subscription.method, subscription.params, known).catch(() => this.#socket?.close());
  }

  #receive(text: string): void {
    const message = JSON.parse(text) as {
      id?: number;
      result?: unknown;
      error?: { code: number; message: string; data?: unknown };
      params?: { subscription: string | number; result: unknown };
    };
    if (message.params) {
      const to = this.#subscriptions.find((s) => s.id === message.params?.subscription);
      to?.onEvent(message.params.result);
      return;
    }
    const waiting = message.id === undefined ? undefined : this.#waiting.get(message.id);
    if (!waiting || message.id === undefined) return;
    this.#waiting.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.error) waiting.reject(new RpcRefused(waiting.method, message.error));
    else waiting.resolve(message.result);
  }

  #fail(reason: string): void {
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(new RpcDisconnected(`${waiting.method}: ${reason} (${this.url})`));
    }
    this.#waiting.clear();
  }
}
