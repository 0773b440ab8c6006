/**
 * # Anchors: the peers of the last run, in a file beside the node's network key, so that a restart meets them again.
 *
 * Always true: the file is whole (written beside, synced, renamed), holds at most MAX_ANCHORS addresses, and is a hint
 * only: one that is damaged is ignored, said once, and written anew. While the tip is stale nothing is written: whoever
 * is connected then shall not be first at the next start.
 */
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MAX_ANCHORS } from '../p2p/dialer.ts';
import { located, MAX_ADDRESS_CHARS } from '../p2p/discovery.ts';
import { P2pError } from '../p2p/errors.ts';
import type { Network } from '../p2p/network.ts';
import { StoreError } from '../state/errors.ts';
import { writeWhole } from './identity.ts';

/** Beside the node's network key. */
export const ANCHORS_FILE = 'anchors.json';
const MAX_FILE_BYTES = 4_096;
const SAVE_MS = 60_000;

const Anchor = z.string().max(MAX_ADDRESS_CHARS).refine(isAddress, 'no multiaddr with /p2p/<peer id>');
const AnchorsFile = z.strictObject({ version: z.literal(1), anchors: z.array(Anchor).max(MAX_ANCHORS) });

export interface AnchorsHooks {
  readonly log: (level: 'info' | 'warn', text: string) => void;
  /** The disk failed: the node must stop. */
  readonly onFatal: (error: unknown) => void;
}

export class Anchors {
  readonly #dir: string | undefined;
  readonly #hooks: AnchorsHooks;
  #known: readonly string[];
  #turn: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #look: (() => Promise<void>) | undefined;

  private constructor(dir: string | undefined, hooks: AnchorsHooks, known: readonly string[]) {
    this.#dir = dir;
    this.#hooks = hooks;
    this.#known = known;
  }

  /** The anchors of a network folder, none without one: such a node forgets whom it knew. Never rejects. */
  static async open(dir: string | undefined, hooks: AnchorsHooks): Promise<Anchors> {
    return new Anchors(dir, hooks, dir === undefined ? [] : await readAnchors(join(dir, ANCHORS_FILE), hooks.log));
  }

  /** Multiaddrs to call first, at most MAX_ANCHORS. */
  get addresses(): readonly string[] {
    return this.#known;
  }

  /** Keeps the file up to date with the network, unless `isStale`. */
  follow(network: Pick<Network, 'anchors'>, isStale: () => boolean): void {
    if (this.#dir === undefined) return;
    const look = () => this.save(isStale() ? [] : network.anchors());
    this.#look = look;
    this.#timer = setInterval(() => void look(), SAVE_MS);
    this.#timer.unref();
  }

  /** Saves once more; afterwards nothing is written. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#look?.();
  }

  /**
   * Writes those connected now, the longest first, and behind them who was there before while there is room; nothing
   * if nobody is. Never rejects: a disk that fails is told to `onFatal`, as StoreError `DiskError`.
   */
  save(connected: readonly string[]): Promise<void> {
    const dir = this.#dir;
    if (dir === undefined || connected.length === 0) return this.#turn;
    const peers = new Set(connected.map(peerOf));
    const before = this.#known.filter((address) => !peers.has(peerOf(address)));
    const anchors = [...connected, ...before].slice(0, MAX_ANCHORS);
    if (anchors.join() === this.#known.join()) return this.#turn;
    this.#known = anchors;
    this.#turn = this.#turn.then(() => this.#write(dir, anchors));
    return this.#turn;
  }

  async #write(dir: string, anchors: readonly string[]): Promise<void> {
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await writeWhole(join(dir, ANCHORS_FILE), `${JSON.stringify({ version: 1, anchors }, undefined, 2)}\n`);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.#hooks.onFatal(new StoreError('DiskError', `${ANCHORS_FILE}: ${code ?? error}`, error));
    }
  }
}

async function readAnchors(path: string, log: AnchorsHooks['log']): Promise<readonly string[]> {
  let text: string;
  try {
    text = await readStart(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // The first start has none; what cannot be read is worth no more than what is not there.
    if (code !== 'ENOENT') log('warn', `peers: ${path} is ignored: ${code ?? error}`);
    return [];
  }
  const read = AnchorsFile.safeParse(jsonOf(text));
  if (read.success) return read.data.anchors;
  log('warn', `peers: ${path} is ignored: ${read.error.issues[0]?.message ?? 'not as it was written'}`);
  return [];
}

/** The text of a file; none of one that is larger than any that is written here. */
async function readStart(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MAX_FILE_BYTES + 1));
    return bytesRead > MAX_FILE_BYTES ? '' : buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What is no JSON fits no schema.
    return undefined;
  }
}

function peerOf(address: string): string {
  return located(address).peer;
}

function isAddress(text: string): boolean {
  try {
    located(text);
    return true;
  } catch (error) {
    if (error instanceof P2pError) return false;
    throw error;
  }
}
