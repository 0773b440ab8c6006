/** # Backend: the node as RPC sees it (src/rpc/backend.ts): reads of the store, submissions to the loop. */
import { type Bytes, toHex } from '../base/bytes.ts';
import { CodecError } from '../codec/index.ts';
import type { Author, Submission, SubmitError } from '../consensus/author.ts';
import type { Chain } from '../consensus/chain.ts';
import type { Grandpa } from '../consensus/finality/grandpa.ts';
import { metaOf } from '../consensus/meta.ts';
import type { Keystore } from '../keystore/keystore.ts';
import type { Network } from '../p2p/network.ts';
import type { AuthorError } from '../pool/errors.ts';
import type { Pool } from '../pool/pool.ts';
import { PowPreRuntime, PowSeal } from '../primitives/pow.ts';
import type { Backend, BlobPort } from '../rpc/backend.ts';
import { invalidParams, RpcError } from '../rpc/errors.ts';
import { readStorage } from '../runtime/access.ts';
import { NO_BOOST } from '../runtime/boost.ts';
import { dutiesFor, sealAuthor, workFor } from '../runtime/compute-view.ts';
import { System } from '../runtime/pallets/system.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ChainStore } from '../state/store.ts';
import type { StateTree } from '../state/tree.ts';
import type { Sync } from '../sync/sync.ts';
import type { NodeConfig } from './config.ts';
import type { Drive } from './drive.ts';
import { grandpaDesk } from './grandpa-desk.ts';
import { keyDesk } from './key-desk.ts';
import { NODE_NAME, NODE_VERSION } from './version.ts';
import type { VoterKeys } from './voter-keys.ts';

export interface BackendParts {
  readonly config: NodeConfig;
  readonly runtime: Runtime;
  readonly store: ChainStore;
  readonly chain: Chain;
  readonly author: Author;
  readonly pool: Pool;
  readonly sync: Sync;
  readonly network: Network;
  readonly drive: Drive;
  readonly blobs: BlobPort;
  readonly keystore: Keystore | undefined;
  readonly voters: VoterKeys;
  /** Undefined where finality is by depth. */
  readonly grandpa: Grandpa | undefined;
}

/** Tickets refused: the node's own codes, beside author_* (1xxx) and state (4xxx). */
const STALE_TEMPLATE = 5001;
const UNKNOWN_TEMPLATE = 5002;
const BAD_TICKET = 5003;

export function nodeBackend(parts: BackendParts): Backend {
  const { config, runtime, store, chain, grandpa, author, pool, sync, network, drive, blobs } = parts;
  const { spec } = config;
  const startingBlock = store.best.number;
  let watches = 0;
  return {
    chainName: spec.name,
    chainType: spec.chainType,
    properties: spec.properties,
    nodeName: NODE_NAME,
    nodeVersion: NODE_VERSION,
    runtime,
    store,
    eraBlocks: spec.consensus.eraBlocks,
    blobs,
    keys: keyDesk({
      keystore: parts.keystore,
      genesis: store.genesis.hash,
      onChange: () => parts.voters.reload(),
    }),
    finalized: () => chain.finalized(),
    grandpa: grandpa && grandpaDesk(grandpa, store),
    meta: (hash) => {
      if (store.meta(hash) === undefined) return undefined;
      const { difficulty, totalDifficulty, timestamp, ticket } = metaOf(store, hash);
      return { difficulty, totalDifficulty, timestampMs: timestamp, ticket };
    },
    async submit(extrinsic) {
      const outcome = await drive.submit(extrinsic);
      if ('error' in outcome) throw authorRefusal(outcome.error);
      return outcome.hash;
    },
    async submitAndWatch(extrinsic, onEvent) {
      const name = `w${++watches}`;
      const outcome = await drive.submit(extrinsic, { name, hear: ({ event }) => onEvent(event) });
      if ('error' in outcome) {
        drive.unwatch(name);
        throw authorRefusal(outcome.error);
      }
      return { stop: () => drive.unwatch(name) };
    },
    pending: () => pool.pending(),
    nextNonce: (account) =>
      pool.nextNonce(account, readStorage(bestView(store), System.declared.storage.Account, account).nonce),
    peers: () =>
      network.peers().map(({ id }) => {
        const { bestHash, bestNumber } = sync.statusOf(id) ?? { bestHash: store.genesis.hash, bestNumber: 0 };
        return { peerId: id, roles: 'FULL', bestHash: toHex(bestHash), bestNumber };
      }),
    localPeerId: () => network.peerId,
    listenAddresses: () => network.addresses(),
    syncState: () => ({
      startingBlock,
      currentBlock: store.best.number,
      highestBlock: Math.max(store.best.number, sync.target() ?? 0),
    }),
    isSyncing: () => sync.isSyncing(),
    isAuthority: () => config.validator,
    addReservedPeer: async (address) => network.addReserved(address),
    removeReservedPeer: async (peerId) => network.removeReserved(peerId),
    onEvent: (listener) => drive.onEvent(listener),
    addMiner: () => drive.addMiner(),
    template: (who) => {
      const template = author.template();
      if (!template) return undefined;
      const { id, header, difficulty, parent } = template;
      const view = who && store.view(parent.hash);
      const boostPpm = (view && sealAuthor(view, who, runtime.spec)?.boostPpm) ?? NO_BOOST;
      return { id: String(id), header, difficulty, boostPpm, parent };
    },
    async submitTicket(ticket) {
      const outcome = await drive.submitTicket(submissionOf(ticket));
      if ('error' in outcome) throw ticketRefusal(outcome.error);
      return outcome;
    },
    work: (account) => workFor(bestView(store), account),
    duties: (account) => dutiesFor(bestView(store), account),
  };
}

function bestView(store: ChainStore): StateTree {
  const view = store.view(store.best.hash);
  if (!view) throw new Error('the best block has its state');
  return view;
}

function submissionOf(ticket: { templateId: string; preRuntime: Bytes; seal: Bytes; opening: Bytes }): Submission {
  try {
    const preRuntime = PowPreRuntime.dec(ticket.preRuntime);
    return {
      templateId: Number(ticket.templateId),
      preRuntime,
      seal: PowSeal.dec(ticket.seal),
      opening: ticket.opening,
    };
  } catch (error) {
    if (error instanceof CodecError) throw invalidParams(`preRuntime or seal: ${error.message}`);
    throw error;
  }
}

function authorRefusal({ code, message, data }: AuthorError): RpcError {
  return new RpcError(code, message, data);
}

function ticketRefusal(error: SubmitError): RpcError {
  if (error.code === 'BadTicket') return new RpcError(BAD_TICKET, `BadTicket: ${error.error.code}`, error.error.data);
  const best = { hash: toHex(error.best.hash), number: error.best.number };
  return new RpcError(error.code === 'StaleTemplate' ? STALE_TEMPLATE : UNKNOWN_TEMPLATE, error.code, best);
}
