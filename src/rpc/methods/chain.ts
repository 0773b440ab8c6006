/** # chain_*: headers, blocks and heads (CLIENTS.md section 2). */
import { z } from 'zod';
import { type Bytes, toHex } from '../../base/bytes.ts';
import { Header, headerJson } from '../../primitives/header.ts';
import type { Backend } from '../backend.ts';
import { height, optionalHash } from '../params.ts';
import { type Emit, type Method, method, subscription } from '../registry.ts';

export function chainMethods(): Method[] {
  return [
    method(
      'chain_getBlockHash',
      [z.union([height, z.array(height).max(256)]).optional()],
      ({ backend }, at) => {
        if (at === undefined) return toHex(backend.store.best.hash);
        return Array.isArray(at) ? at.map((n) => hashAt(backend, n)) : hashAt(backend, at);
      },
      { aliases: ['chain_getHead'] },
    ),
    method('chain_getFinalizedHead', [], ({ backend }) => toHex(backend.finalized().hash), {
      aliases: ['chain_getFinalisedHead'],
    }),
    method('chain_getHeader', [optionalHash], ({ backend }, at) => headerOf(backend, at ?? backend.store.best.hash)),
    method('chain_getBlock', [optionalHash], ({ backend }, at) => blockOf(backend, at ?? backend.store.best.hash)),
    ...subscription(
      { subscribe: 'chain_subscribeNewHeads', notify: 'chain_newHead', unsubscribe: 'chain_unsubscribeNewHeads' },
      [],
      ({ backend }, emit) => {
        emit(headerOf(backend, backend.store.best.hash));
        return backend.onEvent((event) => {
          if (event.type === 'head')
            emitHeads(
              backend,
              emit,
              event.enacted.slice(-1).map((b) => b.hash),
            );
        });
      },
      {
        aliases: ['chain_subscribeNewHead', 'subscribe_newHead'],
        unsubscribeAliases: ['chain_unsubscribeNewHead', 'unsubscribe_newHead'],
      },
    ),
    ...subscription(
      { subscribe: 'chain_subscribeAllHeads', notify: 'chain_allHead', unsubscribe: 'chain_unsubscribeAllHeads' },
      [],
      ({ backend }, emit) => {
        emit(headerOf(backend, backend.store.best.hash));
        return backend.onEvent((event) => {
          if (event.type === 'imported') emitHeads(backend, emit, [event.block.hash]);
        });
      },
    ),
    ...subscription(
      {
        subscribe: 'chain_subscribeFinalizedHeads',
        notify: 'chain_finalizedHead',
        unsubscribe: 'chain_unsubscribeFinalizedHeads',
      },
      [],
      ({ backend }, emit) => {
        emit(headerOf(backend, backend.finalized().hash));
        return backend.onEvent((event) => {
          if (event.type === 'finalized')
            emitHeads(
              backend,
              emit,
              event.blocks.map((b) => b.hash),
            );
        });
      },
      {
        aliases: ['chain_subscribeFinalisedHeads'],
        unsubscribeAliases: ['chain_unsubscribeFinalisedHeads'],
      },
    ),
  ];
}

function emitHeads(backend: Backend, emit: Emit, hashes: readonly Bytes[]): void {
  for (const hash of hashes) {
    const header = headerOf(backend, hash);
    if (header) emit(header);
  }
}

function hashAt(backend: Backend, number: number): string | null {
  const hash = backend.store.canonical(number);
  return hash ? toHex(hash) : null;
}

function headerOf(backend: Backend, hash: Bytes): unknown {
  const header = backend.store.header(hash);
  return header ? headerJson(Header.dec(header)) : null;
}

function blockOf(backend: Backend, hash: Bytes): unknown {
  const header = headerOf(backend, hash);
  const body = backend.store.body(hash);
  if (!header || !body) return null;
  const opening = backend.store.opening(hash);
  // As real nodes send them: engine id and payload as lists of bytes.
  const justifications = opening ? [[[...POW_ENGINE], [...opening]]] : null;
  return { block: { header, extrinsics: body.map(toHex) }, justifications };
}

const POW_ENGINE = new TextEncoder().encode('pow_');
