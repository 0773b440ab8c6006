/**
 * # SetChanges: where, on each branch above the last finalized block, the authority set ends.
 *
 * Always true: a branch has at most one end that counts, the first: a change that is scheduled above an end that is not
 * final yet counts once that end is, and one between a change and its end never does (the runtime refuses it). Headers
 * are read once each. At most one entry for each unfinalized block.
 */
import { type Bytes, equal, toHex } from '../../base/bytes.ts';
import { tryDecode } from '../../codec/index.ts';
import { itemsOf } from '../../primitives/digest.ts';
import type { Header } from '../../primitives/header.ts';
import { type AuthorityList, GRANDPA_ENGINE, GrandpaLog } from '../../primitives/justification.ts';
import type { BlockRef } from '../../state/store.ts';

/** The set that follows, and the height of the last block that the present one finalizes. */
export interface SetChange {
  readonly end: number;
  readonly next: AuthorityList;
}

interface Entry {
  readonly number: number;
  readonly change: SetChange | undefined;
}

export class SetChanges {
  private readonly header: (hash: Bytes) => Header | undefined;
  private readonly entries = new Map<string, Entry>();
  private base: BlockRef;
  private pending: SetChange | undefined;

  /** `pending`: what was scheduled at or below the base, and ends above it. */
  constructor(header: (hash: Bytes) => Header | undefined, base: BlockRef, pending: SetChange | undefined) {
    this.header = header;
    this.base = base;
    this.pending = pending;
  }

  /** A block and the end of the set on its branch, if one is scheduled; undefined for blocks not above the base. */
  at(hash: Bytes): Entry | undefined {
    const path: { readonly key: string; readonly header: Header }[] = [];
    let found: Entry | undefined;
    for (let at = hash; found === undefined; ) {
      const key = toHex(at);
      found = equal(at, this.base.hash) ? { number: this.base.number, change: this.pending } : this.entries.get(key);
      if (found !== undefined) break;
      const header = this.header(at);
      if (header === undefined || header.number <= this.base.number) return undefined;
      path.push({ key, header });
      at = header.parentHash;
    }
    let entry = found;
    for (const { key, header } of path.reverse()) {
      entry = { number: header.number, change: entry.change ?? scheduledIn(header) };
      this.entries.set(key, entry);
    }
    return entry;
  }

  /** The base moves up to a block of the tree, at most to where the set ends. */
  finalized(block: BlockRef): void {
    const change = this.at(block.hash)?.change;
    this.base = block;
    this.pending = change;
    for (const [key, { number }] of this.entries) if (number <= block.number) this.entries.delete(key);
  }

  /** The set that ended at the base has given way to the next one. */
  changed(): void {
    this.pending = undefined;
    this.entries.clear();
  }
}

/** The change that a header schedules. Forced changes are not followed: our runtime makes none. */
function scheduledIn(header: Header): SetChange | undefined {
  for (const data of itemsOf(header.digest, 'Consensus', GRANDPA_ENGINE)) {
    // An item that we do not know schedules nothing: execution has approved of the digest.
    const log = tryDecode(GrandpaLog, data);
    if (log?.type === 'ScheduledChange') return { end: header.number + log.value.delay, next: log.value.next };
  }
  return undefined;
}
