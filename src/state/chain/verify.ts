/**
 * # Verification: a whole store read once, in order of keys, and everything that can be compared compared.
 *
 * Always true: a store that passes holds every record that it should hold, and blocks that are linked by hash; that a
 * record is as it was written is the word of its checksum. Memory is that of the settled state and of one height of
 * blocks.
 */
import { type Bytes, equal } from '../../base/bytes.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { StoreError } from '../errors.ts';
import { bytesOf, keyOf } from '../key.ts';
import { StateTree } from '../tree.ts';
import type { StateVersion } from '../trie/node.ts';
import {
  AUX_KEY,
  Aux,
  BlockRecord,
  COUNTED,
  type Counted,
  countsOf,
  decoded,
  HEAD_KEY,
  Head,
  headerFields,
  heightAt,
  keyHex,
  present,
  STATE_COLUMN,
} from './records.ts';

const COLUMN_OF = new Map(Object.entries(COUNTED).map(([name, letter]) => [letter, name as Counted]));

/** Sums that are equal if two columns name the same blocks. */
interface Named {
  all: number;
  settled: number;
}

export class Verification {
  private head: Head | undefined;
  private aux = false;
  private readonly counts = countsOf([]);
  private readonly named: Partial<Record<Counted, Named>> = {};
  private names = { height: -1, before: new Set<string>(), here: new Set<string>() };
  private stateRoot: Bytes | undefined;
  private readonly state: [Bytes, Bytes][] | undefined;

  /** `withState` also builds the settled state and compares its root. */
  constructor(withState: boolean) {
    this.state = withState ? [] : undefined;
  }

  /** Takes the next record; keys ascend. Columns unknown here are the adapter's own. */
  add(key: string, value: Bytes): void {
    const letter = key.slice(0, 1);
    if (key === HEAD_KEY) this.head = decoded('head', key, value, (bytes) => Head.dec(bytes));
    else if (key === AUX_KEY) this.aux = decoded('aux', key, value, (bytes) => Aux.dec(bytes)) !== undefined;
    else if (letter === STATE_COLUMN) this.state?.push([bytesOf(key.slice(1)), value]);
    const column = COLUMN_OF.get(letter as never);
    if (column === undefined) return;
    const index = this.counts[column]++;
    if (column === 'block') this.block(key, value);
    else if (column === 'undo') {
      this.expect(
        heightAt(key, 1) === this.headNow().undoFrom + index,
        `undo records have a gap before ${keyHex(key)}`,
      );
    } else if (column === 'canonical') {
      this.expect(heightAt(key, 1) === this.heightOf(index), `heights have a gap before ${keyHex(key)}`);
      this.name(column, heightAt(key, 1), keyOf(value));
    }
    if (column === 'number') this.name(column, heightAt(keyOf(value), 0), key.slice(1));
    if (column === 'block' || column === 'body' || column === 'diff') {
      this.name(column, heightAt(key, 1), key.slice(5));
    }
  }

  /** Throws StoreError `CorruptDatabase` unless all that was added is one whole store. */
  finish(): void {
    const head = this.headNow();
    this.expect(this.aux, 'the record of small records is missing');
    const wanted = countsOf(head.counts);
    for (const column of Object.keys(COUNTED) as Counted[]) {
      const found = this.counts[column];
      this.expect(found === wanted[column], `${found} records of ${column}, not ${wanted[column]}`);
    }
    const blocks = this.sums('block');
    this.expect(this.sums('body').all === blocks.all, 'bodies and blocks differ');
    this.expect(this.sums('number').all === blocks.all, 'the index by hash and blocks differ');
    this.expect(this.sums('canonical').settled === blocks.settled, 'the index by height and settled blocks differ');
    this.expect(this.sums('diff').all === (blocks.all - blocks.settled) >>> 0, 'diffs and unsettled blocks differ');
    const undone = head.settled.number - head.undoFrom + 1;
    this.expect(this.counts.undo === undone, `${this.counts.undo} undo records, not ${undone}`);
    if (this.state === undefined) return;
    const { root } = StateTree.from(this.state, head.stateVersion as StateVersion);
    this.expect(equal(root, present('settled block', HEAD_KEY, this.stateRoot)), 'the settled state has another root');
  }

  private block(key: string, value: Bytes): void {
    const height = heightAt(key, 1);
    const name = key.slice(5);
    const { header } = decoded('block', key, value, (bytes) => BlockRecord.dec(bytes));
    const fields = decoded('header', key, header, headerFields);
    if (height !== this.names.height) {
      this.expect(height === this.names.height + 1 || this.isBase(height), `blocks have a gap before ${keyHex(key)}`);
      this.names = { height, before: this.names.here, here: new Set() };
    }
    this.names.here.add(name);
    const linked = height === 0 || this.isBase(height) || this.names.before.has(keyOf(fields.parent));
    const own = fields.number === height && keyOf(blake2_256(header)) === name;
    this.expect(linked && own, `block ${keyHex(key)} is not linked by hash`);
    if (equal(this.headNow().settled.hash, bytesOf(name))) this.stateRoot = fields.stateRoot;
  }

  /** Height of the canonical block in this place: genesis, then the block that the store began with and all above. */
  private heightOf(index: number): number {
    const { base } = this.headNow();
    return index === 0 || base === 0 ? index : base + index - 1;
  }

  /** Whether this is the height that stands on nothing here but genesis. */
  private isBase(height: number): boolean {
    return height === this.headNow().base && this.counts.block <= 2;
  }

  /** Adds a block to the sums of a column, which are taken modulo 2^32. */
  private name(column: Counted, height: number, name: string): void {
    const sums = this.sums(column);
    let value = height % 65_536;
    for (let i = 0; i < 4; i++) value = (value * 251 + name.charCodeAt(i * 7)) % 0x1_0000_0000;
    sums.all = (sums.all + value) >>> 0;
    if (height <= this.headNow().settled.number) sums.settled = (sums.settled + value) >>> 0;
  }

  private sums(column: Counted): Named {
    const known = this.named[column] ?? { all: 0, settled: 0 };
    this.named[column] = known;
    return known;
  }

  private headNow(): Head {
    return present('head', HEAD_KEY, this.head);
  }

  private expect(condition: boolean, what: string): void {
    if (!condition) throw new StoreError('CorruptDatabase', what);
  }
}
