/**
 * # Blob store: a directory of files named by what they hold.
 *
 * Always true: whatever is read was hashed against its id since this object was made, and again whenever its file was
 * written to since then; a file that no longer fits is dropped and reported missing, never returned. (Hashing every
 * read too took a tenth of a devnet's time on cores without SHA instructions, and whoever gets bytes from here over a
 * socket hashes them anyway.) A blob appears under its name only when it is complete (written beside, then renamed);
 * a download in progress is a `.part` with its `.roots`, and goes on after a restart. Nothing is synced to disk: after
 * a power cut a blob may be gone or damaged, and is fetched again. All files together stay under `maxBytes`: the
 * oldest blob that is not pinned makes room.
 */
import { type FileHandle, mkdir, open, readdir, rename, rm, stat as statFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bytes, equal } from '../base/bytes.ts';
import { BlobError } from './errors.ts';
import { discard, isMissing, Partial } from './partial.ts';
import { type BlobStat, blobId, CHUNK_BYTES, idOf, keyOf, MAX_BLOB_BYTES, runFits, runLength, statOf } from './tree.ts';

/** A small file costs a block of the disk; so at most maxBytes / 4,096 blobs are kept. */
const LEAST_COST = 4_096;
/** A download that brought nothing for this long makes room before any complete blob does. */
const STALE_MS = 60_000;

export interface BlobStoreOptions {
  readonly dir: string;
  /** Bytes of all files together. */
  readonly maxBytes: number;
  /** Told when a file was dropped because it no longer hashed to its name. */
  readonly onCorrupt?: (id: Bytes) => void;
}

export interface BlobInfo {
  readonly id: Bytes;
  readonly length: number;
  readonly pinned: boolean;
  readonly complete: boolean;
}

interface Entry {
  readonly length: number;
  /** Known once the blob was hashed in this run. */
  verified: Verified | undefined;
}

interface Verified {
  readonly stat: BlobStat;
  /** The file as it was then: its last write in nanoseconds, and its size. */
  readonly mark: string;
}

type Make = () => Bytes | Promise<Bytes>;

export class BlobStore {
  private readonly options: BlobStoreOptions;
  /** Complete blobs, the oldest first. */
  private readonly entries = new Map<string, Entry>();
  /** Downloads in progress, the oldest first: bytes they will have, and the open file once it was used. */
  private readonly partials = new Map<string, { length: number; open: Partial | undefined }>();
  private readonly pins = new Set<string>();
  private readonly makers = new Map<string, Make>();
  private readonly making = new Map<string, Promise<void>>();
  /** The last change of each key that is not done yet. */
  private readonly busy = new Map<string, Promise<unknown>>();
  private used = 0;
  private counter = 0;

  private constructor(options: BlobStoreOptions) {
    this.options = options;
  }

  /** Opens or creates the directory; files that are no blob's are left alone, unfinished writes are removed. */
  static async open(options: BlobStoreOptions): Promise<BlobStore> {
    const store = new BlobStore(options);
    await mkdir(options.dir, { recursive: true });
    const found: { key: string; ending: string; length: number; at: number }[] = [];
    for (const name of await readdir(options.dir)) {
      const match = /^([0-9a-f]{64})\.(blob|part|roots|tmp\d+)$/.exec(name);
      if (match === null) continue;
      const [, key = '', ending = ''] = match;
      const path = join(options.dir, name);
      const file = await statFile(path);
      // An unfinished write, or a file that no blob can have: nobody could read it.
      const useless = ending.startsWith('tmp') || file.size === 0 || file.size > MAX_BLOB_BYTES;
      if (useless) await rm(path, { force: true });
      else found.push({ key, ending, length: file.size, at: file.mtimeMs });
    }
    const parts = new Set(found.filter(({ ending }) => ending === 'part').map(({ key }) => key));
    found.sort((a, b) => a.at - b.at || (a.key < b.key ? -1 : 1));
    for (const { key, ending, length } of found) {
      if (ending === 'roots') {
        if (!parts.has(key)) await discard(join(options.dir, key));
        continue;
      }
      if (ending === 'blob') store.entries.set(key, { length, verified: undefined });
      else store.partials.set(key, { length, open: undefined });
      store.used += cost(length);
    }
    await store.reserve(0, '');
    return store;
  }

  /** Closes files of downloads; they go on when the store is opened again. */
  async close(): Promise<void> {
    for (const partial of this.partials.values()) await partial.open?.close();
    this.partials.clear();
  }

  /** Bytes that count against maxBytes. */
  get usedBytes(): number {
    return this.used;
  }

  /** Whether the blob can be read here: it is complete, or can be made. */
  has(id: Bytes): boolean {
    const key = keyOf(id);
    return this.entries.has(key) || this.makers.has(key);
  }

  /** Bytes of a complete blob. */
  size(id: Bytes): number | undefined {
    return this.entries.get(keyOf(id))?.length;
  }

  list(): BlobInfo[] {
    const info = (key: string, length: number, complete: boolean): BlobInfo => {
      return { id: blobId(key), length, pinned: this.pins.has(key), complete };
    };
    return [
      ...[...this.entries].map(([key, { length }]) => info(key, length, true)),
      ...[...this.partials].map(([key, { length }]) => info(key, length, false)),
    ];
  }

  /** Keeps the blob whatever room is needed; it may arrive later. Pins last as long as this object. */
  pin(id: Bytes): void {
    this.pins.add(keyOf(id));
  }

  unpin(id: Bytes): void {
    this.pins.delete(keyOf(id));
  }

  /** Registers a blob that this node can compute: it is made when it is first read, and again after an eviction. */
  provide(id: Bytes, make: Make): void {
    this.makers.set(keyOf(id), make);
  }

  /** Length and chunk roots of a complete blob. */
  async stat(id: Bytes): Promise<BlobStat | undefined> {
    const key = keyOf(id);
    const entry = await this.entry(id, key);
    if (entry === undefined) return undefined;
    if (entry.verified === undefined) await this.readWhole(id, key, entry);
    return entry.verified?.stat;
  }

  /** The whole blob, or undefined. */
  async get(id: Bytes): Promise<Bytes | undefined> {
    const key = keyOf(id);
    const entry = await this.entry(id, key);
    return entry === undefined ? undefined : this.readWhole(id, key, entry);
  }

  /** Chunk `index` of a complete blob; undefined when there is none. */
  chunk(id: Bytes, index: number): Promise<Bytes | undefined> {
    return this.chunks(id, { first: index, count: 1, room: 0 });
  }

  /**
   * Chunks `first` to `first + count - 1` of a complete blob, as far as it reaches, after `room` free bytes in front
   * (for a caller's header: a megabyte is not copied again for it); undefined when there is none.
   */
  async chunks(
    id: Bytes,
    run: { readonly first: number; readonly count: number; readonly room: number },
  ): Promise<Bytes | undefined> {
    const { first, count, room } = run;
    const stat = await this.stat(id);
    const length = stat === undefined ? 0 : runLength(stat.length, first, count);
    if (stat === undefined || length === 0) return undefined;
    const key = keyOf(id);
    const bytes = new Uint8Array(room + length);
    const mark = await this.read(key, async (file) => {
      await file.read(bytes, room, length, first * CHUNK_BYTES);
    });
    if (mark === undefined) return this.lost(id, key);
    const untouched = mark === this.entries.get(key)?.verified?.mark;
    return untouched || runFits(stat, first, bytes.subarray(room)) ? bytes : this.lost(id, key);
  }

  /** Stores a blob; its id. Throws BlobError Empty, TooLarge or Full. `stat`: what statOf said of the bytes. */
  async put(bytes: Bytes, stat: BlobStat = statOf(bytes)): Promise<Bytes> {
    const id = idOf(stat);
    const key = keyOf(id);
    await this.alone(key, async () => {
      if (this.entries.has(key)) return;
      await this.dropPartial(key);
      await this.reserve(cost(stat.length), key);
      const beside = this.path(key, `tmp${this.counter++}`);
      try {
        await writeFile(beside, bytes);
        await rename(beside, this.path(key, 'blob'));
        await this.stored(key, stat);
      } catch (error) {
        this.used -= cost(stat.length);
        // On a full disk the half that was written would keep it full.
        await rm(beside, { force: true });
        throw error;
      }
    });
    return id;
  }

  /**
   * Stores whole chunks, from chunk `first` on, of a blob that `stat` describes (the caller checked `fits`); true when
   * that completes it. Throws BlobError Mismatch when a chunk does not fit, TooLarge, Full.
   */
  async putChunks(id: Bytes, stat: BlobStat, first: number, bytes: Bytes): Promise<boolean> {
    if (!runFits(stat, first, bytes)) throw new BlobError('Mismatch', `chunk ${first} of ${keyOf(id)}`);
    const key = keyOf(id);
    return this.alone(key, async () => {
      if (this.entries.has(key)) return true;
      const partial = await this.partial(id, key, stat);
      await partial.write(first, bytes);
      if (!partial.complete) return false;
      await partial.finish();
      this.partials.delete(key);
      await this.stored(key, stat);
      return true;
    });
  }

  /** What an unfinished download has: its description, and its chunks one by one (undefined = still missing). */
  async resume(id: Bytes): Promise<{ stat: BlobStat; chunk(index: number): Promise<Bytes | undefined> } | undefined> {
    const key = keyOf(id);
    const partial = await this.alone(key, () => this.reopened(id, key));
    if (partial === undefined) return undefined;
    return {
      stat: partial.stat,
      chunk: async (index) => (partial.has(index) ? partial.read(index) : undefined),
    };
  }

  /** Removes the blob and any download of it; a blob that can be made is made again when it is read. */
  async delete(id: Bytes): Promise<void> {
    const key = keyOf(id);
    await this.alone(key, async () => {
      await this.dropPartial(key);
      await this.dropEntry(key);
    });
  }

  private path(key: string, ending: string): string {
    return join(this.options.dir, `${key}.${ending}`);
  }

  /** The complete blob, made first where it can be. */
  private async entry(id: Bytes, key: string): Promise<Entry | undefined> {
    const entry = this.entries.get(key);
    const make = this.makers.get(key);
    if (entry !== undefined || make === undefined) return entry;
    let made = this.making.get(key);
    if (made === undefined) {
      made = this.make(id, make).finally(() => this.making.delete(key));
      this.making.set(key, made);
    }
    await made;
    return this.entries.get(key);
  }

  private async make(id: Bytes, make: Make): Promise<void> {
    const stored = await this.put(await make());
    if (!equal(stored, id)) throw new BlobError('Mismatch', `provided as ${keyOf(id)}, made ${keyOf(stored)}`);
  }

  /** Notes a file whose bytes were hashed on their way to it. */
  private async stored(key: string, stat: BlobStat): Promise<void> {
    const mark = await this.read(key, async () => {});
    this.entries.set(key, { length: stat.length, verified: mark === undefined ? undefined : { stat, mark } });
  }

  private async readWhole(id: Bytes, key: string, entry: Entry): Promise<Bytes | undefined> {
    const bytes = new Uint8Array(entry.length);
    const mark = await this.read(key, async (file, size) => {
      if (size === entry.length) await file.read(bytes, 0, size, 0);
    });
    if (mark !== undefined && mark === entry.verified?.mark) return bytes;
    const stat = mark === undefined ? undefined : statOf(bytes);
    if (mark === undefined || stat === undefined || !equal(idOf(stat), id)) return this.lost(id, key);
    entry.verified = { stat, mark };
    return bytes;
  }

  /** Opens a blob's file and reads; its mark, or undefined when there is no such file. */
  private async read(key: string, use: (file: FileHandle, size: number) => Promise<void>): Promise<string | undefined> {
    let file: FileHandle;
    try {
      file = await open(this.path(key, 'blob'), 'r');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    try {
      const { mtimeNs, size } = await file.stat({ bigint: true });
      await use(file, Number(size));
      return `${mtimeNs}/${size}`;
    } finally {
      await file.close();
    }
  }

  /** The file is gone or damaged: so is the blob. */
  private async lost(id: Bytes, key: string): Promise<undefined> {
    await this.alone(key, () => this.dropEntry(key));
    this.options.onCorrupt?.(id);
    return undefined;
  }

  /** The download of this blob under this description; one under another description is thrown away. */
  private async partial(id: Bytes, key: string, stat: BlobStat): Promise<Partial> {
    const before = await this.reopened(id, key);
    if (before?.sameAs(stat) === true) return before;
    await this.dropPartial(key);
    await this.reserve(cost(stat.length), key);
    const partial = await Partial.begin(join(this.options.dir, key), stat);
    this.partials.set(key, { length: stat.length, open: partial });
    return partial;
  }

  private async reopened(id: Bytes, key: string): Promise<Partial | undefined> {
    const known = this.partials.get(key);
    if (known === undefined || known.open !== undefined) return known?.open;
    known.open = await Partial.resume(join(this.options.dir, key), id);
    if (known.open === undefined) await this.dropPartial(key);
    return known.open;
  }

  /**
   * Counts `bytes` as used, evicting first what does not fit: stale downloads, then the oldest blobs. Downloads that
   * move, changes under way, pinned blobs and `except` stay. Throws BlobError TooLarge or Full.
   */
  private async reserve(bytes: number, except: string): Promise<void> {
    const { maxBytes } = this.options;
    if (bytes > maxBytes) throw new BlobError('TooLarge', `${bytes} > ${maxBytes} bytes of the whole store`);
    const stale = Date.now() - STALE_MS;
    const idle = [...this.partials].filter(([, partial]) => (partial.open?.touchedAt ?? 0) < stale);
    for (const key of [...idle.map(([key]) => key), ...this.entries.keys()]) {
      if (this.used + bytes <= maxBytes) break;
      // Never waits for another key: two changes that made room from each other would wait for ever.
      if (key === except || this.pins.has(key) || this.busy.has(key)) continue;
      await this.delete(blobId(key));
    }
    if (this.used + bytes > maxBytes) throw new BlobError('Full', `${this.used} of ${maxBytes} bytes in use`);
    this.used += bytes;
  }

  private async dropEntry(key: string): Promise<void> {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.used -= cost(entry.length);
    await rm(this.path(key, 'blob'), { force: true });
  }

  private async dropPartial(key: string): Promise<void> {
    const partial = this.partials.get(key);
    if (partial === undefined) return;
    this.partials.delete(key);
    this.used -= cost(partial.length);
    await partial.open?.close();
    await discard(join(this.options.dir, key));
  }

  /** Runs changes of one key one after the other. */
  private async alone<T>(key: string, change: () => Promise<T>): Promise<T> {
    const before = this.busy.get(key) ?? Promise.resolve();
    // A failed change has told its own caller; the next one starts all the same.
    const mine = before.then(change, change);
    this.busy.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.busy.get(key) === mine) this.busy.delete(key);
    }
  }
}

function cost(length: number): number {
  return Math.max(length, LEAST_COST);
}
