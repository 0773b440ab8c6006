/** # chain_*: headers, blocks and heads (CLIENTS.md section 2). */
import { type Bytes, utf8 } from '../../base/bytes.ts';
import { Header, type HeaderJson, headerJson } from '../../primitives/header.ts';
import { GRANDPA_ENGINE } from '../../primitives/justification.ts';
import type { BlockRef } from '../../state/store.ts';
import type { Backend, ChainEvent } from '../backend.ts';
import type { Sink } from '../connection.ts';
import { toHex } from '../hex.ts';
import { either, height, list, named, optional, optionalHash } from '../params.ts';
import { type CallContext, follow, type Method, method, subscription } from '../registry.ts';

/** Heights of one call. */
const MAX_HEIGHTS = 256;
const POW_ENGINE = [...utf8('pow_')];
const GRANDPA = [...utf8(GRANDPA_ENGINE)];

const heights = named(
  'number',
  either(height, list(height, MAX_HEIGHTS), 'expected a block number, or a list of them'),
);

export function chainMethods(): Method[] {
  const headers = new Headers();
  return [
    method(
      'chain_getBlockHash',
      [optional(heights)],
      ({ backend }, at) => {
        if (at === undefined) return toHex(backend.store.best.hash);
        return Array.isArray(at) ? at.map((n) => hashAt(backend, n)) : hashAt(backend, at);
      },
      { aliases: ['chain_getHead'] },
    ),
    method('chain_getFinalizedHead', [], ({ backend }) => toHex(backend.finalized().hash), {
      aliases: ['chain_getFinalisedHead'],
    }),
    method('chain_getHeader', [optionalHash], ({ backend }, at) => headers.of(backend, at ?? backend.store.best.hash)),
    method('chain_getBlock', [optionalHash], ({ backend, turns }, at) =>
      turns.run(() => blockOf(backend, headers, at ?? backend.store.best.hash)),
    ),
    ...heads(headers, {
      name: 'NewHeads',
      notify: 'chain_newHead',
      aliases: ['chain_subscribeNewHead', 'subscribe_newHead'],
      unsubscribeAliases: ['chain_unsubscribeNewHead', 'unsubscribe_newHead'],
      first: ({ backend }) => backend.store.best,
      of: (event) => (event.type === 'head' ? event.enacted.slice(-1) : []),
    }),
    ...heads(headers, {
      name: 'AllHeads',
      notify: 'chain_allHead',
      aliases: [],
      unsubscribeAliases: [],
      first: ({ backend }) => backend.store.best,
      of: (event) => (event.type === 'imported' ? [event.block] : []),
    }),
    ...heads(headers, {
      name: 'FinalizedHeads',
      notify: 'chain_finalizedHead',
      aliases: ['chain_subscribeFinalisedHeads'],
      unsubscribeAliases: ['chain_unsubscribeFinalisedHeads'],
      first: ({ backend }) => backend.finalized(),
      of: (event) => (event.type === 'finalized' ? event.blocks : []),
    }),
  ];
}

interface Heads {
  /** As in chain_subscribe<name>. */
  readonly name: string;
  readonly notify: string;
  readonly aliases: readonly string[];
  readonly unsubscribeAliases: readonly string[];
  first(context: CallContext): BlockRef;
  /** The blocks to tell of. */
  of(event: ChainEvent): readonly BlockRef[];
}

/** A subscription to headers; the first comes at once. */
function heads(headers: Headers, { name, notify, aliases, unsubscribeAliases, first, of }: Heads): Method[] {
  return subscription(
    { subscribe: `chain_subscribe${name}`, notify, unsubscribe: `chain_unsubscribe${name}` },
    [],
    (context, sink) => {
      const tell = ({ hash }: BlockRef): void => emitHeader(sink, headers.of(context.backend, hash));
      tell(first(context));
      return follow(context, sink, (event) => of(event).forEach(tell));
    },
    { aliases, unsubscribeAliases },
  );
}

function emitHeader(sink: Sink, header: HeaderJson | null): void {
  if (header) sink.emit(header);
}

/** The last headers that were asked for: every subscriber asks for the same one, and decoding takes 30 us. */
class Headers {
  readonly #recent = new Map<string, HeaderJson>();

  of(backend: Backend, hash: Bytes): HeaderJson | null {
    const key = toHex(hash);
    const known = this.#recent.get(key);
    if (known) return known;
    const header = backend.store.header(hash);
    if (!header) return null;
    const json = headerJson(Header.dec(header));
    this.#recent.set(key, json);
    if (this.#recent.size > MAX_RECENT) this.#recent.delete(this.#recent.keys().next().value as string);
    return json;
  }
}

const MAX_RECENT = 64;

function hashAt(backend: Backend, number: number): string | null {
  const hash = backend.store.canonical(number);
  return hash ? toHex(hash) : null;
}

function blockOf(backend: Backend, headers: Headers, hash: Bytes): unknown {
  const header = headers.of(backend, hash);
  const body = backend.store.body(hash);
  if (!header || !body) return null;
  const opening = backend.store.opening(hash);
  // As real nodes send them: engine id and payload as lists of bytes. A turn has nothing to open.
  const justifications = [
    [POW_ENGINE, opening],
    [GRANDPA, backend.store.justification(hash)],
  ].flatMap(([engine, proof]) => (engine && proof?.length ? [[engine, [...proof]]] : []));
  return {
    block: { header, extrinsics: body.map(toHex) },
    justifications: justifications.length > 0 ? justifications : null,
  };
}
