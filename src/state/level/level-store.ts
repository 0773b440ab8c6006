/**
 * # LevelStore: the chain on disk.
 *
 * Always true: the directory holds a database and an anchor, both or neither; it is created once, when both are
 * missing, and otherwise opened only if everything that was synced is there. After one failed write nothing is
 * written any more: the node must stop (LevelDB refuses all writes after a failed sync until it is reopened).
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bytes, equal, toHex } from '../../base/bytes.ts';
import { firstBatch, type Genesis, type Loaded, loaded, readHead, statePages } from '../chain/load.ts';
import { COUNTED, heightKey, SCHEMA, STATE_COLUMN } from '../chain/records.ts';
import { type ChainParts, type Pruning, StoredChain } from '../chain/stored-chain.ts';
import { Verification } from '../chain/verify.ts';
import { WriteQueue } from '../chain/write-queue.ts';
import { StoreError } from '../errors.ts';
import { bytesOf } from '../key.ts';
import type { Base, DurableStore } from '../store.ts';
import { type Anchor, readAnchor, writeAnchor } from './anchor.ts';
import { Database, diskError } from './database.ts';
import { Journal } from './journal.ts';
import { checkTables, scrubTables } from './tables.ts';

const ANCHOR_FILE = 'anchor';
const DATABASE_FOLDER = 'db';
const CACHE_BYTES = 8 * 1024 * 1024;
/** Tables up to this size together are checked, and their records read, at every start: about 0.5 s. */
const CHECKED_AT_START = 64 * 1024 * 1024;
/** After a stop that was not clean the newest tables up to this size are checked: about 1.5 s. */
const CHECKED_AFTER_CRASH = 1024 * 1024 * 1024;

/** Sorts after every key. */
const END = '\xff';

/** Steps between which a crash leaves different files behind, in their order. */
export const STORE_POINTS = [
  'open:begin',
  'open:made',
  'open:tables',
  'open:database',
  'open:records',
  'open:loaded',
  'open:anchored',
  'flush:taken',
  'flush:written',
  'flush:anchor',
  'flush:anchored',
] as const;
export type StorePoint = (typeof STORE_POINTS)[number];
type Reach = (point: StorePoint) => void;

export interface LevelStoreOptions {
  /** The chain's own folder, `<base>/chains/<id>`; made if it is missing. */
  readonly dir: string;
  readonly genesis: Genesis;
  /** Settled blocks whose states are kept: a number (256 by default), or all with `archive`. */
  readonly pruning?: Pruning;
  /** LevelDB's block cache, 8 MiB by default: states are read from memory, not from it. */
  readonly cacheBytes?: number;
  /** What a chain that is created begins with in place of genesis. */
  readonly base?: Base;
  /** Bytes of tables that are checked before it opens; by default 64 MiB, 1 GiB after a stop that was not clean. */
  readonly checkedBytes?: number;
  /** Told of each step as it is reached: where the crash harness ends the process (test/crash). */
  readonly onPoint?: Reach;
}

interface Files {
  readonly database: Database;
  readonly journal: Journal;
  readonly anchorPath: string;
  /** Number of the last batch that the anchor names. */
  readonly anchored: number;
  /** The database's folder, where tables were left unchecked when it opened. */
  readonly unchecked: string | undefined;
  readonly reach: Reach;
}

export class LevelStore extends StoredChain implements DurableStore {
  private readonly files: Files;
  private anchored: number;
  private failure: unknown;
  private turn: Promise<void> = Promise.resolve();

  private constructor(parts: ChainParts, pruning: Pruning, queue: WriteQueue, files: Files) {
    super(parts, pruning, queue);
    this.files = files;
    this.anchored = files.anchored;
  }

  /** Opens the chain in a folder, or creates it there if there is none. StoreError otherwise, and nothing is open. */
  static async open(options: LevelStoreOptions): Promise<LevelStore> {
    const { dir, genesis, pruning = 256, cacheBytes = CACHE_BYTES, onPoint: reach = () => {} } = options;
    const anchorPath = join(dir, ANCHOR_FILE);
    const databasePath = join(dir, DATABASE_FOLDER);
    reach('open:begin');
    const anchor = await readAnchor(anchorPath);
    const exists = await holdsFiles(databasePath);
    if (anchor !== undefined) checkAnchor(anchor, genesis, exists);
    if (anchor === undefined && !exists) await create(options, databasePath, cacheBytes);
    reach('open:made');
    await Database.ensureFree(databasePath);
    const { checkedBytes = anchor?.closed ? CHECKED_AT_START : CHECKED_AFTER_CRASH } = options;
    const tables = await checkTables(databasePath, checkedBytes);
    reach('open:tables');
    const database = await Database.open(databasePath, { create: false, cacheBytes });
    try {
      reach('open:database');
      if (tables.all && tables.bytes <= CHECKED_AT_START) await verifyDatabase(database, false);
      reach('open:records');
      const unchecked = tables.all ? undefined : databasePath;
      return await load(genesis, pruning, { database, anchorPath, anchor, unchecked, reach });
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /** Assembles an opened store; `open` is the way to get one. */
  static assemble(parts: ChainParts, pruning: Pruning, queue: WriteQueue, files: Files): LevelStore {
    return new LevelStore(parts, pruning, queue, files);
  }

  flush(sync: boolean): Promise<void> {
    return this.inTurn(() => this.write(sync));
  }

  /** Checks the tables that were too many to check before it opened, while everything else goes on. */
  async scrub(): Promise<void> {
    const { unchecked } = this.files;
    if (unchecked !== undefined) await scrubTables(unchecked);
  }

  verify(): Promise<void> {
    return this.inTurn(async () => {
      await this.write(false);
      await verifyDatabase(this.files.database, true);
    });
  }

  close(): Promise<void> {
    return this.inTurn(async () => {
      try {
        if (this.failure === undefined) await this.write(true);
      } finally {
        await this.files.database.close();
      }
      if (this.failure === undefined) await writeAnchor(this.files.anchorPath, this.anchorNow(true));
    });
  }

  private anchorNow(closed: boolean): Anchor {
    const { genesis, settled } = this;
    return { schema: SCHEMA, genesis: genesis.hash, settled, batch: this.files.journal.batch, closed };
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const next = this.turn.then(work);
    this.turn = next.catch(() => undefined);
    return next;
  }

  private async write(sync: boolean): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const { database, journal, anchorPath, reach } = this.files;
    const idle = this.queue.bytes === 0 && (!sync || this.anchored === journal.batch);
    if (idle) return;
    try {
      const writes = journal.number(this.takeBatch());
      const anchor = this.anchorNow(false);
      reach('flush:taken');
      journal.wrote(await database.write(writes, sync));
      reach('flush:written');
      this.queue.landed();
      if (!sync) return;
      await writeAnchor(anchorPath, anchor, () => reach('flush:anchor'));
      reach('flush:anchored');
      this.anchored = journal.batch;
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}

/** Makes the database beside its place and moves it there whole: a first start may be cut off anywhere. */
async function create({ genesis, base }: LevelStoreOptions, path: string, cacheBytes: number): Promise<void> {
  const beside = `${path}.new`;
  await inFiles('create', async () => {
    await rm(beside, { recursive: true, force: true });
    await mkdir(beside, { recursive: true });
  });
  const database = await Database.open(beside, { create: true, cacheBytes });
  try {
    const queue = new WriteQueue(database);
    // What is written here counts only once the folder has its name: a cut leaves nothing.
    for (const page of statePages((base ?? genesis).state)) await database.write(page, true);
    await database.write(Journal.empty().number(firstBatch(genesis, queue, base)), true);
  } finally {
    await database.close();
  }
  await inFiles('create', () => rename(beside, path));
}

interface Found {
  readonly database: Database;
  readonly anchorPath: string;
  readonly unchecked: string | undefined;
  readonly anchor: Anchor | undefined;
  readonly reach: Reach;
}

async function load(genesis: Genesis, pruning: Pruning, there: Found): Promise<LevelStore> {
  const { database, anchorPath, anchor: found, unchecked, reach } = there;
  const journal = await Journal.load(database, found?.batch ?? 1);
  // A first start that was cut off leaves a database with its first, synced batch and no anchor yet.
  if (found === undefined && journal.batch !== 1) {
    throw new StoreError('CorruptDatabase', 'the anchor file is missing');
  }
  const head = readHead(database);
  if (!equal(head.genesis, genesis.hash)) throw wrongGenesis(head.genesis, genesis.hash);
  const anchor = found ?? { schema: SCHEMA, genesis: genesis.hash, settled: head.settled, batch: 1, closed: true };
  if (head.settled.number < anchor.settled.number) {
    throw new StoreError('CorruptDatabase', `settled block ${anchor.settled.number} is gone`);
  }
  const queue = new WriteQueue(database);
  const parts = loaded(head, await readOrdered(database, head.settled.number), queue);
  const files = { database, journal, anchorPath, anchored: anchor.batch, unchecked, reach };
  const store = LevelStore.assemble(parts, pruning, queue, files);
  const { number, hash } = anchor.settled;
  if (!equal(store.canonical(number) ?? new Uint8Array(0), hash)) {
    throw new StoreError('CorruptDatabase', `height ${number} is not the settled block ${toHex(hash)}`);
  }
  reach('open:loaded');
  if (anchor.closed) await writeAnchor(anchorPath, { ...anchor, closed: false });
  reach('open:anchored');
  return store;
}

function checkAnchor(anchor: Anchor, genesis: Genesis, exists: boolean): void {
  if (anchor.schema > SCHEMA)
    throw new StoreError('NewerSchema', `schema ${anchor.schema}, this program knows ${SCHEMA}`);
  if (!equal(anchor.genesis, genesis.hash)) throw wrongGenesis(anchor.genesis, genesis.hash);
  if (!exists) throw new StoreError('CorruptDatabase', 'the database is missing, its anchor is there');
}

async function readOrdered(database: Database, settled: number): Promise<Loaded> {
  const state: [Bytes, Bytes][] = [];
  for await (const page of database.range(STATE_COLUMN, after(STATE_COLUMN))) {
    for (const [key, value] of page) state.push([bytesOf(key.slice(1)), value]);
  }
  const blocks: [string, Bytes][] = [];
  const from = COUNTED.block + heightKey(settled);
  for await (const page of database.range(from, after(COUNTED.block))) blocks.push(...page);
  return { state, blocks };
}

async function verifyDatabase(database: Database, withState: boolean): Promise<void> {
  const verification = new Verification(withState);
  const ranges = withState
    ? [['', END]]
    : [
        ['', STATE_COLUMN],
        [after(STATE_COLUMN), END],
      ];
  for (const [from = '', to = END] of ranges) {
    for await (const page of database.range(from, to)) for (const [key, value] of page) verification.add(key, value);
  }
  verification.finish();
}

function after(column: string): string {
  return String.fromCharCode(column.charCodeAt(0) + 1);
}

function wrongGenesis(found: Bytes, wanted: Bytes): StoreError {
  return new StoreError('WrongGenesis', `found ${toHex(found)}, expected ${toHex(wanted)}`);
}

async function holdsFiles(path: string): Promise<boolean> {
  return inFiles('open', async () => existsSync(path) && (await readdir(path)).length > 0);
}

/** Runs operations on files; StoreError `DiskError` when one fails. */
async function inFiles<T>(operation: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskError(operation, error);
  }
}
