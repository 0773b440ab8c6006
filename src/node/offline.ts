/**
 * # Offline: a chain on disk, opened without network, RPC or miners, to look at it or to change it.
 *
 * Always true: the database is locked while it is open, so that no running node is disturbed; blocks come in by the
 * same checks and the same machine as in a running node.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../base/bytes.ts';
import { type BlockError, type Checked, failed } from '../consensus/block-error.ts';
import type { Chain, ChainEffect } from '../consensus/chain.ts';
import { checkSealOf, decodeBlock, executeBlock } from '../consensus/import.ts';
import { metaOf, parentBlock } from '../consensus/meta.ts';
import { LevelStore } from '../state/level/level-store.ts';
import type { BlockRef, DurableStore } from '../state/store.ts';
import type { ChainSpec } from './chain-spec.ts';
import { type ChainRules, chainMachine, chainRules } from './rules.ts';
import type { PlainBlock } from './signed-block-json.ts';

/** A chain that is not where it was looked for, or cannot do what was asked. */
export class OfflineError extends Error {
  override readonly name = 'OfflineError';
}

export interface OfflineOptions {
  readonly spec: ChainSpec;
  readonly basePath: string;
  readonly pruning: number | 'archive';
  /** Makes the database if there is none; otherwise that is an OfflineError. */
  readonly create: boolean;
  readonly warn: (text: string) => void;
}

export interface OfflineChain {
  readonly spec: ChainSpec;
  readonly rules: ChainRules;
  readonly store: DurableStore;
}

/** Opens the chain of a base path. Throws StoreError or OfflineError. Close its store at the end. */
export async function openOffline(options: OfflineOptions): Promise<OfflineChain> {
  const { spec, basePath, pruning, create, warn } = options;
  const dir = join(basePath, 'chains', spec.id);
  if (!create && !existsSync(join(dir, 'db'))) {
    throw new OfflineError(`--base-path ${basePath}: no database of chain ${spec.id}`);
  }
  const rules = chainRules(spec, warn);
  await mkdir(dir, { recursive: true });
  return { spec, rules, store: await LevelStore.open({ dir, genesis: rules.genesis, pruning }) };
}

/** Blocks of the canonical chain in order, genesis excluded (it follows from the spec). */
export function* exportedBlocks({ store }: OfflineChain, from: number, to: number): Generator<PlainBlock> {
  for (let number = Math.max(1, from); number <= to; number++) {
    const hash = store.canonical(number);
    const header = hash && store.header(hash);
    const body = hash && store.body(hash);
    if (!hash || !header || !body) throw new OfflineError(`block ${number} is not here; the best is ${to}`);
    yield { header, extrinsics: body, opening: store.opening(hash), justification: store.justification(hash) };
  }
}

export interface ImportCounts {
  readonly imported: number;
  /** Blocks that were here before. */
  readonly known: number;
}

/** Imports blocks in order, each fully checked. Throws OfflineError with the first that is refused, and its reason. */
export async function importBlocks(
  { spec, rules, store }: OfflineChain,
  blocks: AsyncIterable<PlainBlock>,
  now: () => number,
): Promise<ImportCounts> {
  const { chain } = chainMachine(spec, rules, store);
  let [imported, known] = [0, 0];
  for await (const { opening, ...plain } of blocks) {
    const block = { ...plain, opening: opening ?? new Uint8Array(0), origin: { type: 'own' } } as const;
    for (const effect of stepped(chain, now, { type: 'block', block })) {
      if (effect.type === 'flush') await store.flush(effect.sync);
      if (effect.type === 'imported') effect.isNew ? imported++ : known++;
      if (effect.type === 'held') throw new OfflineError(`block ${toHex(effect.hash)}: its time has not come`);
      if (effect.type !== 'refused') continue;
      throw new OfflineError(`block ${toHex(effect.hash)} is refused: ${said(effect.error)}`);
    }
  }
  return { imported, known };
}

/** One input, and every step that is due at once because of it. */
function stepped(chain: Chain, now: () => number, input: Parameters<Chain['step']>[1]): ChainEffect[] {
  const effects = [...chain.step(now(), input)];
  while (chain.wakeAt() === 0) effects.push(...chain.step(now(), { type: 'tick' }));
  return effects;
}

/** Checks a stored block once more, seal and execution. Throws OfflineError when its parent's state is gone. */
export function checkBlock({ rules, store }: OfflineChain, hash: Uint8Array): Checked<BlockRef> {
  const number = store.number(hash);
  const bytes = store.header(hash);
  if (number === undefined || bytes === undefined) throw new OfflineError(`${toHex(hash)}: no such block`);
  if (number === 0) throw new OfflineError('block 0 follows from the chain spec: there is nothing to check');
  const opening = store.opening(hash) ?? new Uint8Array(0);
  const extrinsics = store.body(hash) ?? [];
  const decoded = decodeBlock(rules.consensus, { header: bytes, opening, extrinsics, origin: { type: 'own' } });
  if (!decoded.ok) return decoded;
  const block = decoded.value;
  const parent = parentBlock(store, block.decoded.parentHash);
  const view = store.view(parent.hash);
  if (view === undefined) {
    throw new OfflineError(`block ${number}: the state of its parent is pruned; an archive (--state-pruning) keeps it`);
  }
  const { timestamp, difficulty } = metaOf(store, hash);
  const proven = checkSealOf(rules.consensus, { parent, view, now: timestamp }, block);
  if (!proven.ok) return proven;
  const { ticket } = proven.value;
  const due = proven.value.due(timestamp);
  if (!due.ok) return due;
  if (due.value.difficulty !== difficulty) return failed('TargetMissed', `D ${due.value.difficulty}`);
  const executed = executeBlock(rules.consensus, view, { ...block, parent, ticket, timestamp, due: due.value });
  return executed.ok ? { ok: true, value: { hash, number } } : executed;
}

/** The block that a height or a hash names, on the canonical chain. Throws OfflineError. */
export function blockNamed({ store }: OfflineChain, text: string): Uint8Array {
  const isNumber = /^\d{1,10}$/.test(text);
  const hash = isNumber ? store.canonical(Number(text)) : hashOf(text);
  if (hash === undefined || store.number(hash) === undefined) {
    throw new OfflineError(`${text}: no such block; the best is ${store.best.number}`);
  }
  return hash;
}

function hashOf(text: string): Uint8Array | undefined {
  return /^0x[0-9a-f]{64}$/i.test(text) ? Uint8Array.from(Buffer.from(text.slice(2), 'hex')) : undefined;
}

function said({ code, data }: BlockError): string {
  return data === undefined ? code : `${code} (${data})`;
}
