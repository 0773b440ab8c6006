/** # Messages and answers: bytes that mean one thing, bounds that hold, and answers without holes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, equal } from '../../src/base/bytes.ts';
import { type Codec, CodecError } from '../../src/codec/index.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { answerBlocks, answerExtrinsics, type BlockSource } from '../../src/sync/blocks.ts';
import {
  Announcement,
  announcementOf,
  BlocksRequest,
  BlocksResponse,
  ExtrinsicsRequest,
  ExtrinsicsResponse,
  Fields,
  MAX_BLOCKS,
  MAX_RESPONSE_BYTES,
  Status,
  shortId,
  TransactionsBatch,
} from '../../src/sync/messages.ts';

const record: typeof fc.record = (model: object) => fc.record(model as never, { noNullPrototype: true }) as never;
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const data = fc.uint8Array({ maxLength: 40 });
const u32 = fc.nat(0xffff_ffff);

const status = record({
  genesis: hash,
  bestNumber: u32,
  bestHash: hash,
  totalDifficulty: fc.bigInt(0n, (1n << 256n) - 1n),
  finalizedNumber: u32,
  finalizedHash: hash,
  time: fc.bigInt(0n, (1n << 64n) - 1n),
});
const request = record({
  fields: fc.nat(7),
  from: fc.oneof(
    hash.map((value) => ({ type: 'Hash' as const, value })),
    u32.map((value) => ({ type: 'Number' as const, value })),
  ),
  descending: fc.boolean(),
  max: fc.nat(0xffff),
});
const block = record({
  hash,
  header: fc.option(data, { nil: undefined }),
  body: fc.option(fc.array(data, { maxLength: 4 }), { nil: undefined }),
  opening: fc.option(data, { nil: undefined }),
  justification: fc.option(data, { nil: undefined }),
});
const announcement = record({
  header: data,
  opening: data,
  inherents: fc.array(data, { maxLength: 4 }),
  ids: fc.array(fc.uint8Array({ minLength: 6, maxLength: 6 }), { maxLength: 5 }),
});
const places = record({ block: hash, places: fc.array(u32, { maxLength: 5 }) });

test('every message is read back as it was written, and no other bytes mean the same', () => {
  const check = <T>(codec: Codec<T>, values: fc.Arbitrary<T>): void =>
    fc.assert(fc.property(values, (value) => assert.deepEqual(codec.dec(codec.enc(value)), value)));
  check(Status, status);
  check<BlocksRequest>(BlocksRequest, request);
  check(BlocksResponse, fc.array(block, { maxLength: 4 }));
  check(Announcement, announcement);
  check(ExtrinsicsRequest, places);
  check(ExtrinsicsResponse, fc.array(data, { maxLength: 5 }));
  check(TransactionsBatch, record({ repeat: u32, extrinsics: fc.array(data, { maxLength: 5 }) }));
});

test('hostile bytes give an error or a value, never anything else, and lengths are checked before allocation', () => {
  const codecs: readonly Codec<unknown>[] = [
    Status,
    BlocksRequest,
    BlocksResponse,
    Announcement,
    ExtrinsicsRequest,
    ExtrinsicsResponse,
    TransactionsBatch,
  ] as unknown as readonly Codec<unknown>[];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const codec of codecs) {
        try {
          assert.ok(equal(codec.enc(codec.dec(bytes)), bytes));
        } catch (error) {
          assert.ok(error instanceof CodecError);
        }
      }
    }),
    { numRuns: 2_000 },
  );
  const huge = Uint8Array.of(0x03, 0xff, 0xff, 0xff, 0xff);
  for (const codec of [BlocksResponse, ExtrinsicsResponse]) assert.throws(() => codec.dec(huge), CodecError);
  assert.throws(() => TransactionsBatch.dec(Uint8Array.of(0, 0, 0, 0, ...huge)), CodecError);
  assert.throws(() => BlocksResponse.enc(Array.from({ length: MAX_BLOCKS + 1 }, () => emptyBlock)), CodecError);
});

const emptyBlock = {
  hash: new Uint8Array(32),
  header: undefined,
  body: undefined,
  opening: undefined,
  justification: undefined,
};

test('a short id belongs to one block: the same extrinsic has another id in another block', () => {
  const [a, b] = [blake2_256(Uint8Array.of(1)), blake2_256(Uint8Array.of(2))];
  const extrinsic = blake2_256(Uint8Array.of(3));
  assert.equal(shortId(a, extrinsic).length, 6);
  assert.ok(!equal(shortId(a, extrinsic), shortId(b, extrinsic)));
  const body = [Uint8Array.of(6), Uint8Array.of(7)];
  const { inherents, ids } = announcementOf(Uint8Array.of(9), new Uint8Array(0), body);
  assert.deepEqual(inherents, [Uint8Array.of(6)], 'the inherent comes whole: no pool has it');
  assert.deepEqual(ids, [shortId(blake2_256(Uint8Array.of(9)), blake2_256(Uint8Array.of(7)))]);
});

const named = (text: string): Bytes => blake2_256(new TextEncoder().encode(text));

/** Blocks 0..200 of a best chain, and a branch of 3 on block 100; each body of `size` bytes. */
function source(size: number): BlockSource & { readonly branch: Bytes } {
  const main = Array.from({ length: 201 }, (_, i) => named(`main ${i}`));
  const side = [101, 102, 103].map((i) => named(`side ${i}`));
  const place = new Map<string, { number: number; parent: Bytes | undefined }>();
  const key = (bytes: Bytes): string => bytes.join();
  for (const [number, block] of main.entries()) place.set(key(block), { number, parent: main[number - 1] });
  for (const [i, block] of side.entries()) {
    place.set(key(block), { number: 101 + i, parent: i === 0 ? main[100] : side[i - 1] });
  }
  const known = (block: Bytes) => place.get(key(block));
  return {
    branch: side[2] as Bytes,
    canonical: (number) => main[number],
    number: (block) => known(block)?.number,
    parent: (block) => known(block)?.parent,
    header: (block) => (known(block) === undefined ? undefined : block),
    body: (block) => (known(block) === undefined ? undefined : [new Uint8Array(size), Uint8Array.of(1)]),
    opening: (block) => (known(block) === undefined ? undefined : new Uint8Array(100)),
    justification: (block) => ((known(block)?.number ?? 1) % 50 === 0 ? Uint8Array.of(7) : undefined),
  };
}

const ask = (over: Partial<BlocksRequest>): BlocksRequest => ({
  fields: Fields.all,
  from: { type: 'Number', value: 1 },
  descending: false,
  max: 64,
  ...over,
});

test('a server answers with at most 64 blocks, in order, and only the parts that were asked for', () => {
  const blocks = source(10);
  const up = answerBlocks(blocks, ask({ max: 5_000, fields: Fields.header }));
  assert.equal(up.length, MAX_BLOCKS);
  assert.deepEqual(up[0]?.hash, named('main 1'));
  assert.deepEqual(up[63]?.hash, named('main 64'));
  assert.ok(up.every(({ body, opening, header }) => body === undefined && opening === undefined && header));
  const down = answerBlocks(blocks, ask({ from: { type: 'Hash', value: blocks.branch }, descending: true, max: 5 }));
  assert.deepEqual(
    down.map(({ hash: one }) => blocks.number(one)),
    [103, 102, 101, 100, 99],
  );
  assert.equal(answerBlocks(blocks, ask({ from: { type: 'Number', value: 3 }, descending: true })).length, 4);
  assert.equal(answerBlocks(blocks, ask({ from: { type: 'Number', value: 199 } })).length, 2);
});

test('what is unknown, or upward of a lost branch, is answered with nothing', () => {
  const blocks = source(10);
  assert.deepEqual(answerBlocks(blocks, ask({ from: { type: 'Hash', value: named('nobody') } })), []);
  assert.deepEqual(answerBlocks(blocks, ask({ from: { type: 'Number', value: 1_000 } })), []);
  assert.deepEqual(answerBlocks(blocks, ask({ from: { type: 'Hash', value: blocks.branch } })), []);
  assert.deepEqual(answerBlocks(blocks, ask({ max: 0 })), []);
});

test('a large answer is cut at 4 MiB, but never before its first block', () => {
  const heavy = answerBlocks(source(1_000_000), ask({}));
  assert.equal(heavy.length, 4);
  const heaviest = answerBlocks(source(MAX_RESPONSE_BYTES + 1), ask({}));
  assert.equal(heaviest.length, 1);
});

test('extrinsics are served by ascending places; a place that is unknown or named twice spoils the request', () => {
  const blocks = source(10);
  const request = (list: number[]) => answerExtrinsics(blocks, { block: named('main 7'), places: list });
  assert.deepEqual(request([0, 1]), [new Uint8Array(10), Uint8Array.of(1)]);
  assert.deepEqual(request([1]), [Uint8Array.of(1)]);
  for (const wrong of [[2], [1, 0], [1, 1]]) assert.deepEqual(request(wrong), []);
  assert.deepEqual(answerExtrinsics(blocks, { block: named('nobody'), places: [0] }), []);
});
