/** # chainHead_v1_* and chainSpec_v1_*: following the chain in the new API generation (json-rpc-interface-spec). */

import { Session } from '../chain-head/session.ts';
import type { Connection } from '../connection.ts';
import { RpcError } from '../errors.ts';
import { toHex } from '../hex.ts';
import { bytes, either, flag, functionName, hash, list, named, optional, subscriptionId, text } from '../params.ts';
import { type CallContext, type Method, method } from '../registry.ts';
import { storageQueries } from '../storage-query.ts';

/** Follows of one connection; the specification asks for 2 at least. */
const MAX_FOLLOWS = 4;
const MAX_UNPINNED = 1_024;
const NOTIFY = 'chainHead_v1_followEvent';
const LIMIT_REACHED = { result: 'limitReached' } as const;
const OPTIONS = { websocketOnly: true } as const;

const operation = named('operationId', text(32));
const hashOrHashes = named(
  'hashes',
  either(hash, list(hash, MAX_UNPINNED), 'expected a block hash, or a list of them'),
);

export function chainHeadMethods(): Method[] {
  const follows = new Follows();
  return [...followMethods(follows), ...readMethods(follows), ...chainSpecMethods()];
}

function followMethods(follows: Follows): Method[] {
  return [
    // Promises, because what follows an answer is sent when a promised one is on its way (client.ts).
    method(
      'chainHead_v1_follow',
      [named('withRuntime', flag)],
      async (context, withRuntime) => follows.open(context, withRuntime),
      OPTIONS,
    ),
    method(
      'chainHead_v1_unfollow',
      [subscriptionId],
      ({ connection }, id) => {
        if (follows.get(connection, id)) connection?.close(id);
        return null;
      },
      OPTIONS,
    ),
    method(
      'chainHead_v1_unpin',
      [subscriptionId, hashOrHashes],
      ({ connection }, id, unpinned) => {
        follows.get(connection, id)?.unpin(Array.isArray(unpinned) ? unpinned : [unpinned]);
        return null;
      },
      OPTIONS,
    ),
    method(
      'chainHead_v1_stopOperation',
      [subscriptionId, operation],
      ({ connection }, id, operationId) => {
        follows.get(connection, id)?.stopOperation(operationId);
        return null;
      },
      OPTIONS,
    ),
    method(
      'chainHead_v1_continue',
      [subscriptionId, operation],
      ({ connection }, id, operationId) => {
        follows.get(connection, id)?.continue(operationId);
        return null;
      },
      OPTIONS,
    ),
  ];
}

function readMethods(follows: Follows): Method[] {
  return [
    method(
      'chainHead_v1_header',
      [subscriptionId, hash],
      ({ connection }, id, block) => follows.get(connection, id)?.header(block) ?? null,
      OPTIONS,
    ),
    method(
      'chainHead_v1_body',
      [subscriptionId, hash],
      async ({ connection }, id, block) => follows.get(connection, id)?.body(block.slice()) ?? LIMIT_REACHED,
      OPTIONS,
    ),
    method(
      'chainHead_v1_call',
      [subscriptionId, hash, functionName, bytes],
      async ({ connection }, id, block, name, data) =>
        follows.get(connection, id)?.call(block.slice(), name, data.slice()) ?? LIMIT_REACHED,
      OPTIONS,
    ),
    method(
      'chainHead_v1_storage',
      [subscriptionId, hash, storageQueries, optional(named('childTrie', bytes))],
      async ({ connection }, id, block, queries, child) =>
        follows.get(connection, id)?.storage(block.slice(), queries, child !== undefined) ?? LIMIT_REACHED,
      OPTIONS,
    ),
  ];
}

function chainSpecMethods(): Method[] {
  return [
    method('chainSpec_v1_chainName', [], ({ backend }) => backend.chainName),
    method('chainSpec_v1_genesisHash', [], ({ backend }) => toHex(backend.store.genesis.hash)),
    method('chainSpec_v1_properties', [], ({ backend }) => backend.properties),
  ];
}

/** The follows of every connection; a connection that is gone takes its own with it. */
class Follows {
  readonly #of = new WeakMap<Connection, Map<string, Session>>();

  get(connection: Connection | undefined, id: string): Session | undefined {
    return connection && this.#of.get(connection)?.get(id);
  }

  /** Begins a follow and returns its id. */
  open(context: CallContext, withRuntime: boolean): string {
    const connection = context.connection as Connection;
    const sessions = this.#of.get(connection) ?? new Map<string, Session>();
    this.#of.set(connection, sessions);
    if (sessions.size >= MAX_FOLLOWS) throw new RpcError(-32800, 'Maximum number of chainHead_follow has been reached');
    const opened = connection.open(NOTIFY);
    const session = new Session({ ...context, connection }, opened, withRuntime);
    sessions.set(opened.id, session);
    const forget = (): boolean => sessions.delete(opened.id);
    try {
      const stop = session.start();
      opened.onEnd(() => {
        forget();
        stop();
      });
    } catch (error) {
      forget();
      opened.abandon();
      throw error;
    }
    return opened.id;
  }
}
