/**
 * # Registry: every method once, with its aliases, parameters and danger.
 *
 * Always true: the table is a Map, so no name of a prototype is a method; parameters are parsed by zod before a method
 * sees them; a subscription's id is answered before its first event.
 */
import { z } from 'zod';
import type { Backend } from './backend.ts';
import { invalidParams, tooManySubscriptions } from './errors.ts';

/** One client connection; over HTTP there is none, and subscriptions are refused. */
export interface Connection {
  readonly subscriptions: Map<string, () => void>;
  readonly subscriptionLimit: number;
  /** Sends a notification; false when the client is too slow and was cut off. */
  notify(method: string, subscription: string, result: unknown): boolean;
  nextSubscriptionId(): string;
}

export interface CallContext {
  readonly backend: Backend;
  /** Undefined over HTTP. */
  readonly connection: Connection | undefined;
  /** Whether unsafe methods may be called. */
  readonly unsafe: boolean;
  readonly registry: Registry;
}

export interface Method {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly unsafe: boolean;
  readonly websocketOnly: boolean;
  /** Parses positional parameters (missing trailing ones are undefined) and answers. */
  call(context: CallContext, params: readonly unknown[]): unknown;
}

type Params = readonly z.ZodType[];
type Parsed<P extends Params> = { -readonly [I in keyof P]: z.output<P[I]> };

function parse<P extends Params>(schemas: P, params: readonly unknown[]): Parsed<P> {
  if (params.length > schemas.length) throw invalidParams(`at most ${schemas.length} parameters`);
  return schemas.map((schema, i) => {
    const given = params[i] === null ? undefined : params[i];
    const result = schema.safeParse(given);
    if (result.success) return result.data;
    throw invalidParams(`parameter ${i + 1}: ${result.error.issues[0]?.message ?? 'wrong type'}`);
  }) as Parsed<P>;
}

interface Options {
  readonly aliases?: readonly string[];
  readonly unsafe?: boolean;
}

/** A plain method. */
export function method<const P extends Params>(
  name: string,
  schemas: P,
  run: (context: CallContext, ...params: Parsed<P>) => unknown,
  options: Options = {},
): Method {
  return {
    name,
    aliases: options.aliases ?? [],
    unsafe: options.unsafe ?? false,
    websocketOnly: false,
    call: (context, params) => run(context, ...parse(schemas, params)),
  };
}

/** Sends one event to the subscriber. */
export type Emit = (result: unknown) => void;

/**
 * A subscription: `start` begins it and returns what ends it. Events emitted while it starts are sent after the answer
 * that carries the id.
 */
export function subscription<const P extends Params>(
  names: { readonly subscribe: string; readonly notify: string; readonly unsubscribe: string },
  schemas: P,
  start: (context: CallContext, emit: Emit, ...params: Parsed<P>) => (() => void) | Promise<() => void>,
  options: Options & { readonly unsubscribeAliases?: readonly string[] } = {},
): Method[] {
  const subscribe: Method = {
    name: names.subscribe,
    aliases: options.aliases ?? [],
    unsafe: options.unsafe ?? false,
    websocketOnly: true,
    async call(context, params) {
      const connection = context.connection as Connection;
      const parsed = parse(schemas, params);
      if (connection.subscriptions.size >= connection.subscriptionLimit) {
        throw tooManySubscriptions(connection.subscriptionLimit);
      }
      const id = connection.nextSubscriptionId();
      // Reserved before anything is awaited, so that a flood cannot pass the limit.
      connection.subscriptions.set(id, () => {});
      try {
        const stop = await start(context, (result) => connection.notify(names.notify, id, result), ...parsed);
        if (connection.subscriptions.has(id)) connection.subscriptions.set(id, stop);
        else stop();
      } catch (error) {
        connection.subscriptions.delete(id);
        throw error;
      }
      return id;
    },
  };
  const unsubscribe: Method = {
    name: names.unsubscribe,
    aliases: options.unsubscribeAliases ?? [],
    unsafe: false,
    websocketOnly: true,
    call({ connection }, params) {
      const [id] = parse([z.union([z.string(), z.number()]).transform(String)] as const, params);
      const stop = connection?.subscriptions.get(id);
      connection?.subscriptions.delete(id);
      stop?.();
      return stop !== undefined;
    },
  };
  return [subscribe, unsubscribe];
}

export class Registry {
  readonly #table = new Map<string, Method>();

  constructor(methods: readonly Method[]) {
    for (const entry of methods) for (const name of [entry.name, ...entry.aliases]) this.#table.set(name, entry);
  }

  get(name: string): Method | undefined {
    return this.#table.get(name);
  }

  /** All names, aliases included, sorted. */
  names(): string[] {
    return [...this.#table.keys()].sort();
  }
}
