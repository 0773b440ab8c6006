/**
 * # Manifest: which tables a LevelDB database consists of (leveldb/doc/impl.md, log_format.md, db/version_edit.cc).
 *
 * Always true: an answer is what LevelDB itself will read from the same bytes; a record that was cut off at the end of
 * the file was never acknowledged and does not count.
 */
import { type Bytes, concat } from '../../base/bytes.ts';
import { Cursor, maskedChecksum } from './cursor.ts';

const BLOCK_BYTES = 32_768;
const HEADER_BYTES = 7;
/** Kinds of a log record's pieces. */
const FULL = 1;
const FIRST = 2;
const LAST = 4;

/** Sizes of the tables in use, by number; undefined if the bytes are not a manifest. */
export function tablesOf(manifest: Bytes): Map<number, number> | undefined {
  const tables = new Map<number, number>();
  try {
    for (const edit of recordsOf(manifest)) applyEdit(tables, edit);
  } catch (error) {
    // What Cursor throws on bytes that make no sense.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return tables;
}

/** Records of a log: blocks of pieces, each with checksum, length and kind; no piece crosses a block. */
function recordsOf(log: Bytes): Bytes[] {
  const records: Bytes[] = [];
  let pieces: Bytes[] = [];
  let at = 0;
  while (log.length - at >= HEADER_BYTES) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    const view = new DataView(log.buffer, log.byteOffset + at);
    const length = view.getUint16(4, true);
    const kind = view.getUint8(6);
    // The rest of a block that no header fits, or that a power cut left as zeros.
    if (left < HEADER_BYTES || (kind === 0 && length === 0)) {
      at += left;
      continue;
    }
    if (HEADER_BYTES + length > left) throw new RangeError('a piece crosses its block');
    if (at + HEADER_BYTES + length > log.length) break;
    const end = at + HEADER_BYTES + length;
    if (view.getUint32(0, true) !== maskedChecksum(log.subarray(at + 6, end))) {
      throw new RangeError('a piece does not match its checksum');
    }
    if (kind === FULL || kind === FIRST) pieces = [];
    pieces.push(log.subarray(at + HEADER_BYTES, end));
    if (kind === FULL || kind === LAST) records.push(concat(...pieces));
    at = end;
  }
  return records;
}

/** Applies one version edit: fields of a tag and what the tag says follows. */
function applyEdit(tables: Map<number, number>, edit: Bytes): void {
  const from = new Cursor(edit, 0, edit.length);
  while (from.at < from.end) {
    const tag = from.varint();
    if (tag === 1) from.string();
    else if (tag === 2 || tag === 3 || tag === 4 || tag === 9) from.varint();
    else if (tag === 5) {
      from.varint();
      from.string();
    } else if (tag === 6) {
      from.varint();
      tables.delete(from.varint());
    } else if (tag === 7) {
      from.varint();
      tables.set(from.varint(), from.varint());
      from.string();
      from.string();
    } else throw new RangeError('an unknown field of a version edit');
  }
}
