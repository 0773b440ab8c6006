/**
 * # Sync link: the questions of the sync machine as requests over the network.
 *
 * Always true: whatever a peer answers becomes an input of the machine; bytes that do not decode count as no answer.
 */
import type { Bytes } from '../base/bytes.ts';
import { CodecError, unit, variant } from '../codec/index.ts';
import type { Chain } from '../consensus/chain.ts';
import type { Millis } from '../consensus/difficulty.ts';
import type { SetEnds } from '../consensus/finality/set-ends.ts';
import type { Network } from '../p2p/network.ts';
import type { ChainStore } from '../state/store.ts';
import { answerBlocks, answerExtrinsics } from '../sync/blocks.ts';
import {
  BlocksRequest,
  BlocksResponse,
  ExtrinsicsRequest,
  ExtrinsicsResponse,
  MAX_RESPONSE_BYTES,
  MAX_STATE_BYTES,
  MAX_WARP_BYTES,
  StateRequest,
  StateResponse,
  Status,
  WarpRequest,
  WarpResponse,
} from '../sync/messages.ts';
import type { SyncEffect, SyncInput } from '../sync/sync.ts';
import type { WarpEffect, WarpInput } from '../sync/warp.ts';
import { CLOCKS } from './clocks.ts';

const Question = variant({ Status: unit, Blocks: BlocksRequest, Extrinsics: ExtrinsicsRequest });
const STATUS_BYTES = 256;
const STATUS_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 8_000;

/** How this node stands. */
function statusOf(store: ChainStore, chain: Chain, wall: Millis): Status {
  const { number, hash, totalDifficulty } = chain.best();
  const finalized = chain.finalized();
  return {
    genesis: store.genesis.hash,
    bestNumber: number,
    bestHash: hash,
    totalDifficulty,
    finalizedNumber: finalized.number,
    finalizedHash: finalized.hash,
    time: BigInt(wall),
  };
}

/** Final blocks that are read for the ends of sets before others get their turn: about 20 ms. */
const READ_AT_ONCE = 2_048;

/** Answers questions for states, and for proofs of what is final; `ends` is undefined where no proofs are given. */
export function serveWarp(network: Network, store: ChainStore, ends: SetEnds | undefined): void {
  network.handle('state', async (payload) => {
    const { block, after } = StateRequest.dec(payload);
    return StateResponse.enc(store.view(block)?.chunk(after));
  });
  network.handle('warp', async (payload) => {
    const { setId } = WarpRequest.dec(payload);
    while (ends?.advance(READ_AT_ONCE) === false) await new Promise((done) => setImmediate(done));
    return WarpResponse.enc(ends?.proofFrom(setId));
  });
}

/** Answers the questions of peers. */
export function serveSync(network: Network, store: ChainStore, chain: Chain): void {
  network.handle('sync', async (payload) => {
    const question = Question.dec(payload);
    switch (question.type) {
      case 'Status':
        return Status.enc(statusOf(store, chain, CLOCKS.wall()));
      case 'Blocks':
        return BlocksResponse.enc(answerBlocks(store, question.value));
      case 'Extrinsics':
        return ExtrinsicsResponse.enc(answerExtrinsics(store, question.value));
    }
  });
}

type Asking = Extract<SyncEffect, { type: 'askStatus' | 'askBlocks' | 'askExtrinsics' }>;

/** Puts a question of the machine to a peer; resolves to the input that the answer is, if it is one. */
export async function ask(network: Network, effect: Asking): Promise<SyncInput | undefined> {
  const { peer } = effect;
  try {
    if (effect.type === 'askStatus') {
      const answer = await request(network, peer, { type: 'Status' }, STATUS_TIMEOUT_MS, STATUS_BYTES);
      return { type: 'status', peer, status: Status.dec(answer) };
    }
    const question =
      effect.type === 'askBlocks'
        ? ({ type: 'Blocks', value: effect.ask } as const)
        : ({ type: 'Extrinsics', value: effect.ask } as const);
    const answer = await request(network, peer, question, ANSWER_TIMEOUT_MS, 2 * MAX_RESPONSE_BYTES);
    return effect.type === 'askBlocks'
      ? { type: 'blocks', request: effect.request, blocks: BlocksResponse.dec(answer) }
      : { type: 'extrinsics', request: effect.request, extrinsics: ExtrinsicsResponse.dec(answer) };
  } catch (error) {
    // No answer, a refusal, or bytes that do not decode: the machine decides what that means for the peer.
    if (!(error instanceof CodecError) && (error as Error).name !== 'RequestError') throw error;
    // A status that did not come is asked for again in due time.
    return effect.type === 'askStatus' ? undefined : { type: 'failed', request: effect.request };
  }
}

type WarpAsking = Extract<WarpEffect, { type: 'askStatus' | 'askProof' | 'askState' | 'askBlocks' }>;

/** The same for the machine of a warp. */
export async function askWarp(network: Network, effect: WarpAsking): Promise<WarpInput | undefined> {
  if (effect.type === 'askStatus' || effect.type === 'askBlocks')
    return (await ask(network, effect)) as WarpInput | undefined;
  const { peer, request: id } = effect;
  const timeoutMs = ANSWER_TIMEOUT_MS;
  try {
    if (effect.type === 'askProof') {
      const limits = { timeoutMs, maxBytes: MAX_WARP_BYTES };
      const answer = await network.request(peer, 'warp', WarpRequest.enc(effect.ask), limits);
      return { type: 'proof', request: id, proof: WarpResponse.dec(answer) };
    }
    const limits = { timeoutMs, maxBytes: MAX_STATE_BYTES };
    const answer = await network.request(peer, 'state', StateRequest.enc(effect.ask), limits);
    return { type: 'chunk', request: id, chunk: StateResponse.dec(answer) };
  } catch (error) {
    if (!(error instanceof CodecError) && (error as Error).name !== 'RequestError') throw error;
    return { type: 'failed', request: id };
  }
}

type Asked = Parameters<typeof Question.enc>[0];

function request(network: Network, peer: string, question: Asked, timeoutMs: number, maxBytes: number): Promise<Bytes> {
  return network.request(peer, 'sync', Question.enc(question), { timeoutMs, maxBytes });
}
