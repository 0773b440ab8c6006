/**
 * # Registry: every method once, with its aliases, parameters and danger.
 *
 * Always true: the table is a Map, so no name of a prototype is a method; parameters are read before a method sees
 * them; a subscription that fails ends alone.
 */
import type { Backend, ChainEvent } from './backend.ts';
import type { Connection, Sink } from './connection.ts';
import { invalidParams } from './errors.ts';
import type { Limits } from './limits.ts';
import type { RpcMeter } from './meter.ts';
import { type Param, subscriptionId } from './params.ts';
import type { Rate } from './rate.ts';
import type { Turns } from './turns.ts';

export interface CallContext {
  readonly backend: Backend;
  /** Undefined over HTTP. */
  readonly connection: Connection | undefined;
  /** Whether unsafe methods may be called. */
  readonly unsafe: boolean;
  readonly registry: Registry;
  /** Where dear reads wait. */
  readonly turns: Turns;
  readonly limits: Limits;
  /** Of the connection, where calls are counted. */
  readonly rate: Rate | undefined;
  readonly meter?: RpcMeter | undefined;
  /** Told of faults of ours; clients hear "Internal error". */
  readonly onFault: (error: unknown) => void;
}

export interface Method {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly unsafe: boolean;
  readonly websocketOnly: boolean;
  readonly params: Params;
  /** What a subscription's events are called, and what ends it. */
  readonly events?: { readonly notify: string; readonly unsubscribe: string };
  /** Reads positional parameters (missing trailing ones are undefined) and answers, at once or later. */
  call(context: CallContext, params: readonly unknown[]): unknown;
}

type Params = readonly Param<unknown>[];
type Parsed<P extends Params> = { -readonly [I in keyof P]: P[I] extends Param<infer T> ? T : never };

function parse<P extends Params>(schemas: P, params: readonly unknown[]): Parsed<P> {
  if (params.length > schemas.length) throw invalidParams(`at most ${schemas.length} parameters`);
  const out: unknown[] = [];
  for (let i = 0; i < schemas.length; i++) {
    const given = params[i];
    const read = (schemas[i] as Param<unknown>).safeParse(given === null ? undefined : given);
    if (!read.success) throw invalidParams(`parameter ${i + 1}: ${read.error.issues[0]?.message}`);
    out.push(read.data);
  }
  return out as Parsed<P>;
}

interface Options {
  readonly aliases?: readonly string[];
  readonly unsafe?: boolean;
  readonly websocketOnly?: boolean;
}

/** A plain method. */
export function method<const P extends Params>(
  name: string,
  params: P,
  run: (context: CallContext, ...params: Parsed<P>) => unknown,
  options: Options = {},
): Method {
  return {
    name,
    aliases: options.aliases ?? [],
    unsafe: options.unsafe ?? false,
    websocketOnly: options.websocketOnly ?? false,
    params,
    call: (context, given) => run(context, ...parse(params, given)),
  };
}

interface SubscriptionOptions extends Options {
  readonly unsubscribeAliases?: readonly string[];
  /** What ending it always answers; otherwise whether there was such a subscription. */
  readonly unsubscribeAnswer?: null;
}

/** What begins a subscription and returns what ends it. */
type Start<P extends Params> = (
  context: CallContext & { readonly connection: Connection },
  sink: Sink,
  ...params: Parsed<P>
) => (() => void) | Promise<() => void>;

/** A subscription with its counterpart; events emitted while it starts are sent after the answer with the id. */
export function subscription<const P extends Params>(
  names: { readonly subscribe: string; readonly notify: string; readonly unsubscribe: string },
  params: P,
  start: Start<P>,
  options: SubscriptionOptions = {},
): Method[] {
  const subscribe: Method = {
    name: names.subscribe,
    aliases: options.aliases ?? [],
    unsafe: options.unsafe ?? false,
    websocketOnly: true,
    params,
    events: { notify: names.notify, unsubscribe: names.unsubscribe },
    async call(context, given) {
      const connection = context.connection as Connection;
      const parsed = parse(params, given);
      // Counted before anything is awaited, so that a flood cannot pass the limit.
      const opened = connection.open(names.notify);
      try {
        opened.onEnd(await start({ ...context, connection }, opened, ...parsed));
      } catch (error) {
        opened.abandon();
        throw error;
      }
      return opened.id;
    },
  };
  const unsubscribe: Method = {
    name: names.unsubscribe,
    aliases: options.unsubscribeAliases ?? [],
    unsafe: false,
    websocketOnly: true,
    params: [subscriptionId],
    call({ connection }, given) {
      const [id] = parse([subscriptionId] as const, given);
      const isClosed = connection?.close(id) ?? false;
      return options.unsubscribeAnswer === null ? null : isClosed;
    },
  };
  return [subscribe, unsubscribe];
}

/** Hears what happens to the chain until the returned function is called. */
export function follow(context: CallContext, sink: Sink, hear: (event: ChainEvent) => void): () => void {
  return context.backend.onEvent((event) => attempt(context, sink, () => hear(event)));
}

/**
 * As `follow`, for what is dear to find out: `tell` gets a turn after a new head. Heads that come before the turn are
 * one occasion.
 */
export function followHeads(context: CallContext, sink: Sink, tell: () => void): () => void {
  let isWaiting = false;
  return follow(context, sink, (event) => {
    if (event.type !== 'head' || isWaiting) return;
    isWaiting = true;
    void context.turns.run(() => {
      isWaiting = false;
      if (!sink.isOver) attempt(context, sink, tell);
    });
  });
}

/** The node's loop takes an exception for a broken machine and stops: what fails here ends this subscription only. */
function attempt(context: CallContext, sink: Sink, work: () => void): void {
  try {
    work();
  } catch (error) {
    context.onFault(error);
    sink.end();
  }
}

export class Registry {
  readonly #table = new Map<string, Method>();

  constructor(methods: readonly Method[]) {
    for (const entry of methods) for (const name of [entry.name, ...entry.aliases]) this.#table.set(name, entry);
  }

  get(name: string): Method | undefined {
    return this.#table.get(name);
  }

  /** Every method once, by name. */
  methods(): Method[] {
    const byName = (a: Method, b: Method): number => (a.name < b.name ? -1 : 1);
    return [...new Set(this.#table.values())].sort(byName);
  }

  /** All names, aliases included, sorted. */
  names(): string[] {
    return [...this.#table.keys()].sort();
  }
}
