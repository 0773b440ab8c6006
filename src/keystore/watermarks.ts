/**
 * # Watermarks: the last vote of each key of this node, in a file of its own beside the database.
 *
 * Always true: a mark only rises; the file is whole (written beside, synced, renamed) and synced before the vote that
 * it tells of may leave; a file that is not as it was written, or of another chain, is refused, never read as empty. So
 * a node whose database is older than its votes signs none of them again. It is text; to raise the marks of one file to
 * those of another carries votes from machine to machine.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { type Bytes, equal, fromHex, toHex } from '../base/bytes.ts';
import type { SignedVote } from '../consensus/finality/round.ts';
import { isAbove, MAX_MARK_VOTES, type Watermark } from '../consensus/finality/watermark.ts';
import { GRANDPA_STAGES, type GrandpaStage } from '../primitives/justification.ts';
import { KeystoreError } from './errors.ts';

/** Beside the database of a chain. */
export const VOTES_FILE = 'grandpa-votes';
/** As many keys as a keystore holds: 640 KiB with their votes. */
const MAX_MARKS = 256;
const VERSION = 1;

export class Watermarks {
  private readonly path: string | undefined;
  private readonly genesis: Bytes;
  private readonly marks: Map<string, Watermark>;
  private turn: Promise<void> = Promise.resolve();
  private failure: unknown;

  private constructor(path: string | undefined, genesis: Bytes, marks: Map<string, Watermark>) {
    this.path = path;
    this.genesis = genesis;
    this.marks = marks;
  }

  /** Marks that end with the process: for a chain whose database does so too. */
  static inMemory(genesis: Bytes): Watermarks {
    return new Watermarks(undefined, genesis, new Map());
  }

  /** The marks of a file, none if there is no file. KeystoreError `Damaged` when it is not as written. */
  static async open(path: string, genesis: Bytes): Promise<Watermarks> {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw disk(path, error);
      return new Watermarks(path, genesis, new Map());
    }
    return new Watermarks(path, genesis, parse(path, text, genesis));
  }

  /** The last vote of a key, as far as this node knows. */
  markOf(key: Bytes): Watermark | undefined {
    return this.marks.get(toHex(key));
  }

  /** The last vote of each key, in the order in which they were first heard of. */
  all(): Watermark[] {
    return [...this.marks.values()];
  }

  /** Raises the marks of keys; resolves once that is on disk. Rejects for good after the first failure. */
  raise(...marks: readonly Watermark[]): Promise<void> {
    for (const mark of marks) {
      const key = toHex(mark.id);
      const known = this.marks.get(key);
      if (known === undefined || isAbove(mark, known)) this.marks.set(key, mark);
    }
    this.turn = this.turn.then(() => this.write());
    return this.turn;
  }

  private async write(): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const { path } = this;
    if (path === undefined) return;
    if (this.marks.size > MAX_MARKS) throw new KeystoreError('Disk', `${path}: marks of more than ${MAX_MARKS} keys`);
    const text = encode(this.genesis, this.all());
    const beside = `${path}.new`;
    try {
      const file = await open(beside, 'w', 0o600);
      try {
        await file.writeFile(`${text}\n${checksum(text)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(beside, path);
      // The new name must survive a power cut as well.
      const folder = await open(dirname(path), 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    } catch (error) {
      this.failure = disk(path, error);
      throw this.failure;
    }
  }
}

function encode(genesis: Bytes, marks: readonly Watermark[]): string {
  const votes = marks.map(({ id, setId, round, stage, votes: said }) => ({
    key: toHex(id),
    ...placeOf({ setId, round, stage }),
    said: said.map((vote) => ({
      ...placeOf(vote),
      number: vote.target.number,
      hash: toHex(vote.target.hash),
      signature: toHex(vote.signature),
    })),
  }));
  return JSON.stringify({ version: VERSION, genesis: toHex(genesis), votes });
}

type Place = Pick<Watermark, 'setId' | 'round' | 'stage'>;

function placeOf({ setId, round, stage }: Place): Readonly<Record<keyof Place, string>> {
  return { setId: setId.toString(), round: round.toString(), stage };
}

function parse(path: string, text: string, genesis: Bytes): Map<string, Watermark> {
  const [line = '', sum = '', ...rest] = text.split('\n');
  if (checksum(line) !== sum || rest.join('') !== '') throw damaged(path);
  // What bears its checksum was written by this program, perhaps by a later version of it.
  const { version, genesis: chain, votes } = JSON.parse(line) as Readonly<Record<string, unknown>>;
  if (version !== VERSION || !Array.isArray(votes) || votes.length > MAX_MARKS) throw damaged(path);
  if (typeof chain !== 'string' || !equal(fromHex(chain), genesis)) throw damaged(path, 'it is of another chain');
  return new Map(votes.map((vote: unknown) => markIn(path, vote)).map((mark) => [toHex(mark.id), mark]));
}

type Json = Readonly<Record<string, unknown>>;

function markIn(path: string, mark: unknown): Watermark {
  const { key, said = [], ...place } = mark as Json;
  // Of a file that was written before votes were kept, only the place is known.
  if (!isHex(key, 32) || !Array.isArray(said) || said.length > MAX_MARK_VOTES) throw damaged(path);
  const id = fromHex(key);
  return { id, ...placeIn(path, place), votes: said.map((vote: unknown) => voteIn(path, id, vote)) };
}

function voteIn(path: string, id: Bytes, vote: unknown): SignedVote {
  const { number, hash, signature, ...place } = vote as Json;
  const fits = typeof number === 'number' && isHex(hash, 32) && isHex(signature, 64);
  if (!fits || !Number.isSafeInteger(number) || number < 0) throw damaged(path);
  return { id, ...placeIn(path, place), target: { hash: fromHex(hash), number }, signature: fromHex(signature) };
}

function placeIn(path: string, { setId, round, stage }: Json): Place {
  const isNumber = (value: unknown): value is string => typeof value === 'string' && /^\d{1,20}$/.test(value);
  const isStage = (value: unknown): value is GrandpaStage =>
    typeof value === 'string' && Object.hasOwn(GRANDPA_STAGES, value);
  if (!isNumber(setId) || !isNumber(round) || !isStage(stage)) throw damaged(path);
  return { setId: BigInt(setId), round: BigInt(round), stage };
}

function isHex(value: unknown, bytes: number): value is string {
  return typeof value === 'string' && value.length === 2 + 2 * bytes && /^0x[0-9a-f]*$/.test(value);
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

function damaged(path: string, why = 'it is not as it was written'): KeystoreError {
  return new KeystoreError('Damaged', `${path}: ${why}`);
}

function disk(path: string, error: unknown): KeystoreError {
  return new KeystoreError('Disk', `${path} (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
}
