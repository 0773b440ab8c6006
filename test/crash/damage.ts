/**
 * # Damage: one file of a node's folder is changed behind its back, and what comes of it is one of two things: it is
 * refused by a typed error that names what to do, or every record is what it was. A third would be a fault.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bytes, equal, toHex } from '../../src/base/bytes.ts';
import { BlobStore } from '../../src/blobs/store.ts';
import { CHUNK_BYTES, idOf, statOf } from '../../src/blobs/tree.ts';
import { KeystoreError } from '../../src/keystore/errors.ts';
import { Keystore } from '../../src/keystore/keystore.ts';
import { Watermarks } from '../../src/keystore/watermarks.ts';
import { IdentityError, nodeKey, writeBlobToken } from '../../src/node/identity.ts';
import { StoreError } from '../../src/state/errors.ts';
import { LevelStore } from '../../src/state/level/level-store.ts';
import { dice } from '../base/dice.ts';
import { GENESIS, genesis } from '../consensus/world.ts';
import { VALIDATOR } from './ballot.ts';
import { byHash, type TrueBlock } from './corpus.ts';
import { grow, MARKS, PRUNING } from './life.ts';
import { differences, Promises } from './truth.ts';

export interface DamageOptions {
  readonly folder: string;
  readonly corpus: readonly TrueBlock[];
  readonly cases: number;
  readonly seed: number;
  readonly tell: (line: string) => void;
}

export interface DamageReport {
  cases: number;
  /** Outcomes by file type and what came of it. */
  readonly outcomes: Map<string, number>;
  readonly faults: string[];
}

/** A node's folder of one chain, and what must be found in it. */
interface Home {
  readonly name: string;
  readonly dir: string;
  readonly told: Promises;
  readonly keys: readonly string[];
  readonly nodeKey: Bytes;
  /** The last vote that the file of votes tells of. */
  readonly mark: string;
  readonly blobs: readonly Bytes[];
}

const PASSPHRASE = 'a passphrase';
/** Kinds of files, with what reads them. */
const TYPES: readonly [RegExp, string, Part][] = [
  [/^db\/CURRENT$/, 'CURRENT', 'store'],
  [/^db\/MANIFEST-/, 'MANIFEST', 'store'],
  [/^db\/\d+\.log$/, 'log', 'store'],
  [/^db\/\d+\.ldb$/, 'table', 'store'],
  [/^db\/LOCK$/, 'LOCK', 'store'],
  [/^db\/LOG/, 'LOG', 'store'],
  [/^anchor$/, 'anchor', 'store'],
  [/^grandpa-votes$/, 'votes', 'votes'],
  [/^keystore\/[0-9a-f]+$/, 'key', 'keys'],
  [/^keystore\/\.inserted$/, 'list of keys', 'keys'],
  [/^network\/secret_ed25519$/, 'network secret', 'identity'],
  [/^network\/public_ed25519$/, 'network public key', 'identity'],
  [/^blobs\.token$/, 'blob token', 'token'],
  [/^blobs\/.*\.blob$/, 'blob', 'blobs'],
  [/^blobs\/.*\.part$/, 'partial blob', 'blobs'],
  [/^blobs\/.*\.roots$/, 'chunk roots', 'blobs'],
];
type Part = 'store' | 'votes' | 'keys' | 'identity' | 'token' | 'blobs';

export async function damageMany(options: DamageOptions): Promise<DamageReport> {
  const { folder, cases, seed, tell } = options;
  const roll = dice(seed);
  const truth = byHash(options.corpus);
  const homes = [await homeOf(options, true), await homeOf(options, false)];
  const report: DamageReport = { cases: 0, outcomes: new Map(), faults: [] };
  while (report.cases < cases) {
    const home = homes[roll(homes.length)] as Home;
    const copy = join(folder, 'damaged');
    rmSync(copy, { recursive: true, force: true });
    cpSync(home.dir, copy, { recursive: true });
    const { what, type, part } = damage(copy, roll, report.cases);
    const outcome = await outcomeOf(part, { ...home, dir: copy }, truth);
    report.cases++;
    const line = `damage ${report.cases}/${cases} (seed ${seed}, ${home.name}): ${what}: ${outcome}`;
    tell(line);
    if (outcome.startsWith('FAULT')) report.faults.push(line);
    const kind = `${type}: ${outcome.replace(/ .*/s, '')}`;
    report.outcomes.set(kind, (report.outcomes.get(kind) ?? 0) + 1);
  }
  return report;
}

/** A folder of three starts: stopped, or copied while its third one runs, which is what a kill leaves. */
async function homeOf({ folder, corpus }: DamageOptions, clean: boolean): Promise<Home> {
  const name = clean ? 'stopped' : 'killed';
  const dir = join(folder, name);
  const open = join(folder, `${name}-open`);
  mkdirSync(open, { recursive: true });
  const told = new Promises();
  for (const third of [1, 2, 3]) {
    const blocks = corpus.slice(0, Math.ceil((corpus.length * third) / 3));
    const store = await grow({ dir: open, blocks, say: (line) => told.hear(line), below: 3 });
    // All is synced by the clean stop; of a kill only that much is: a log that lost its end gives up the rest.
    told.saved = clean ? store.best.number : told.final.number;
    if (third === 3 && !clean) cpSync(open, dir, { recursive: true });
    await store.close();
  }
  if (clean) cpSync(open, dir, { recursive: true });
  // Sealing costs: once for all homes.
  const sealed = join(folder, 'keystore');
  const keystore = new Keystore({ dir: sealed, passphrase: PASSPHRASE, dev: false });
  if ((await keystore.list()).length === 0) {
    await keystore.insert('gran', 'ed25519', '//Validator');
    await keystore.insert('comp', 'ed25519', '//Validator//compute');
  }
  cpSync(sealed, join(dir, 'keystore'), { recursive: true });
  const blobs = await BlobStore.open({ dir: join(dir, 'blobs'), maxBytes: 2 ** 30 });
  const contents = [1_000, 2 * CHUNK_BYTES + 77].map((length, i) => new Uint8Array(length).fill(i + 1));
  for (const bytes of contents) await blobs.put(bytes);
  const partial = new Uint8Array(3 * CHUNK_BYTES).fill(9);
  const id = idOf(statOf(partial));
  await blobs.putChunks(id, statOf(partial), 1, partial.subarray(CHUNK_BYTES, 2 * CHUNK_BYTES));
  await blobs.close();
  await writeBlobToken(dir);
  const keys = (await keystore.list()).map(({ keyType, publicKey }) => keyType + publicKey);
  const [key, mark] = [await nodeKey(join(dir, 'network')), await markIn(dir)];
  return { name, dir, told, keys, nodeKey: key, mark, blobs: [...contents, partial] };
}

/** Changes one file: of each type in turn, so that none is left out. */
function damage(
  dir: string,
  roll: (sides: number) => number,
  turn: number,
): { what: string; type: string; part: Part } {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
  const present = TYPES.filter(([pattern]) => files.some((file) => pattern.test(file)));
  // Tables, log and manifest hold the chain: half of the cases are theirs alone.
  const weighty = present.filter(([, type]) => ['MANIFEST', 'log', 'table', 'anchor', 'CURRENT'].includes(type));
  const among = turn % 2 === 0 ? present : weighty;
  const [pattern, type, part] = among[Math.floor(turn / 2) % among.length] as (typeof TYPES)[0];
  const candidates = files.filter((file) => pattern.test(file));
  const file = candidates[roll(candidates.length)] as string;
  const path = join(dir, file);
  const bytes = readFileSync(path);
  const kind = roll(8);
  if (kind === 0) {
    rmSync(path);
    return { what: `${file} deleted`, type, part };
  }
  const at = roll(Math.max(1, bytes.length));
  const end = kind === 2 ? bytes.length : Math.min(bytes.length, at + 1 + roll(5_000));
  const changed = Buffer.from(bytes);
  let what = `${file} cut at ${at}`;
  if (kind === 1) writeFileSync(path, bytes.subarray(0, at));
  else if (kind <= 3) {
    what = `${file} zeros from ${kind === 2 ? 0 : at} to ${end}`;
    writeFileSync(path, changed.fill(0, kind === 2 ? 0 : at, end));
  } else {
    what = `${file} of ${bytes.length} bytes flipped at ${at}`;
    if (at < bytes.length) changed[at] = (changed[at] as number) ^ (1 << roll(8));
    // Behind its end, or in an empty file: a byte that nobody wrote.
    writeFileSync(path, at < bytes.length ? changed : Buffer.concat([changed, Buffer.of(roll(256))]));
  }
  return { what, type, part };
}

/** What opening the part of the node says: `refused`, `equal`, `missing` (a blob: fetched again), or FAULT. */
async function outcomeOf(part: Part, home: Home, truth: ReadonlyMap<string, TrueBlock>): Promise<string> {
  try {
    const found = await {
      store: storeAgain,
      votes: votesAgain,
      keys: keysAgain,
      identity: identityAgain,
      token: tokenAgain,
      blobs: blobsAgain,
    }[part](home, truth);
    return found;
  } catch (error) {
    const isTyped =
      (error instanceof StoreError && error.code === 'CorruptDatabase' && error.hint !== undefined) ||
      error instanceof KeystoreError ||
      error instanceof IdentityError;
    return isTyped ? `refused (${error.message})` : `FAULT ${error}`;
  }
}

async function storeAgain({ dir, told }: Home, truth: ReadonlyMap<string, TrueBlock>): Promise<string> {
  const store = await LevelStore.open({ dir, genesis, pruning: PRUNING });
  try {
    const found = differences(store, truth, told);
    if (found.length > 0) return `FAULT ${found.join('; ')}`;
    await store.verify();
    return 'equal';
  } finally {
    await store.close();
  }
}

/** The mark of a lost file is made again with the next vote; until then the database remembers that vote itself. */
async function votesAgain({ dir, mark }: Home): Promise<string> {
  const found = await markIn(dir);
  if (found === 'none') return 'missing';
  return found === mark ? 'equal' : `FAULT the mark is ${found}, not ${mark}`;
}

async function markIn(dir: string): Promise<string> {
  const mark = (await Watermarks.open(join(dir, MARKS), GENESIS)).markOf(VALIDATOR.publicKey);
  return mark === undefined ? 'none' : `${mark.setId} ${mark.round} ${mark.stage}`;
}

async function keysAgain({ dir, keys }: Home): Promise<string> {
  const keystore = new Keystore({ dir: join(dir, 'keystore'), passphrase: PASSPHRASE, dev: false });
  const list = await keystore.list();
  const found = list.map(({ keyType, publicKey }) => keyType + publicKey);
  if (found.join() !== keys.join()) return `FAULT keys ${found}`;
  for (const key of list) {
    const { keypair } = await keystore.open(key);
    if (toHex(keypair.publicKey) !== key.publicKey) return `FAULT ${key.keyType} opened as another key`;
  }
  return 'equal';
}

async function identityAgain({ dir, nodeKey: key }: Home): Promise<string> {
  return equal(await nodeKey(join(dir, 'network')), key) ? 'equal' : 'FAULT another identity';
}

/** The token means nothing but that who knows it can read the file. */
async function tokenAgain({ dir }: Home): Promise<string> {
  const token = await writeBlobToken(dir);
  const isIt = /^[0-9a-f]{64}$/.test(token) && readFileSync(join(dir, 'blobs.token'), 'utf8') === token;
  return isIt ? 'equal' : 'FAULT the file is not the token';
}

async function blobsAgain({ dir, blobs }: Home): Promise<string> {
  const store = await BlobStore.open({ dir: join(dir, 'blobs'), maxBytes: 2 ** 30 });
  let outcome = 'equal';
  for (const bytes of blobs) {
    const id = idOf(statOf(bytes));
    const whole = await store.get(id);
    if (whole !== undefined && !equal(whole, bytes)) return 'FAULT a blob is another';
    const resumed = whole === undefined ? await store.resume(id) : undefined;
    for (let i = 0; i * CHUNK_BYTES < bytes.length && resumed !== undefined; i++) {
      const chunk = await resumed.chunk(i);
      const wanted = bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES);
      if (chunk !== undefined && !equal(chunk, wanted)) return 'FAULT a chunk is another';
    }
    const isPartial = bytes === blobs[blobs.length - 1];
    const chunk = isPartial ? await resumed?.chunk(1) : whole;
    if (chunk === undefined) outcome = 'missing';
  }
  await store.close();
  return outcome;
}
