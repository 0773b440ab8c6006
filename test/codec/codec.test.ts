/** # Codec tests: every value comes back, every accepted byte string is the only spelling of its value. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import * as scale from '../../src/codec/index.ts';

interface Tree {
  readonly leaf: number;
  readonly branches: readonly Tree[];
}
const Tree: scale.Codec<Tree> = scale.lazy('Tree', () =>
  scale.struct({ leaf: scale.u8, branches: scale.vec(Tree) as scale.Codec<readonly Tree[]> }),
);

const Shade = scale.variant({
  Clear: scale.unit,
  Grey: [7, scale.u8],
  Colour: [9, scale.struct({ red: scale.u16, green: scale.compact })],
});

const PLAIN = { noNullPrototype: true } as const;
const byteString = (max: number) => fc.uint8Array({ maxLength: max });
const big = (bits: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n });
// Powers of two and their neighbours: where the compact modes change.
const edge = (bits: number) =>
  fc.oneof(
    big(bits),
    fc.tuple(fc.integer({ min: 0, max: bits - 1 }), fc.constantFrom(-1n, 0n, 1n)).map(([n, d]) => {
      const value = (1n << BigInt(n)) + d;
      return value < 0n ? 0n : value;
    }),
  );
const edge32 = (bits: number) => edge(bits).map(Number);

interface Row {
  readonly name: string;
  readonly codec: scale.Codec<unknown>;
  readonly values: fc.Arbitrary<unknown>;
}
const row = <T>(name: string, codec: scale.Codec<T>, values: fc.Arbitrary<T>): Row => ({ name, codec, values });
const shades: fc.Arbitrary<scale.Of<typeof Shade>> = fc.oneof(
  fc.constant({ type: 'Clear' as const, value: undefined }),
  fc.nat(255).map((value) => ({ type: 'Grey' as const, value })),
  fc.record({ red: fc.nat(65_535), green: edge(128) }, PLAIN).map((value) => ({ type: 'Colour' as const, value })),
);
const trees = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.record({ leaf: fc.nat(255), branches: fc.constant([]) }, PLAIN),
    fc.record({ leaf: fc.nat(255), branches: fc.array(tie('tree'), { maxLength: 3 }) }, PLAIN),
  ),
})).tree;

const ROWS: readonly Row[] = [
  row('u8', scale.u8, fc.nat(255)),
  row('u16', scale.u16, fc.nat(65_535)),
  row('u32', scale.u32, edge32(32)),
  row('i32', scale.i32, fc.integer()),
  row('u64', scale.u64, edge(64)),
  row('u128', scale.u128, edge(128)),
  row('u256', scale.u256, edge(256)),
  row('bool', scale.bool, fc.boolean()),
  row('str', scale.str, fc.string({ unit: 'grapheme', maxLength: 90 })),
  row('bytes', scale.bytes, byteString(100)),
  row('fixed', scale.fixed(5), fc.uint8Array({ minLength: 5, maxLength: 5 })),
  row('hash', scale.hash, fc.uint8Array({ minLength: 32, maxLength: 32 })),
  row('unit', scale.unit, fc.constant(undefined)),
  row('compactU8', scale.compactU8, fc.nat(255)),
  row('compactU16', scale.compactU16, fc.nat(65_535)),
  row('compactU32', scale.compactU32, edge32(32)),
  row('compactU64', scale.compactU64, edge(64)),
  row('compact', scale.compact, edge(128)),
  row('vec', scale.vec(scale.u16), fc.array(fc.nat(65_535))),
  row('array', scale.array(scale.compact, 3), fc.array(edge(128), { minLength: 3, maxLength: 3 })),
  row('option', scale.option(scale.u32), fc.option(edge32(32), { nil: undefined })),
  row(
    'result',
    scale.result(scale.u8, scale.str),
    fc.oneof(
      fc.nat(255).map((value) => ({ type: 'Ok' as const, value })),
      fc.string().map((value) => ({ type: 'Err' as const, value })),
    ),
  ),
  row('tuple', scale.tuple(scale.u8, scale.bytes), fc.tuple(fc.nat(255), byteString(9))),
  row('struct', scale.struct({ b: scale.bool, a: scale.u64 }), fc.record({ b: fc.boolean(), a: edge(64) }, PLAIN)),
  row('variant', Shade, shades),
  row('lazy', Tree, trees),
  row('opaque', scale.opaque(scale.vec(scale.u8)), fc.array(fc.nat(255))),
];

for (const { name, codec, values } of ROWS) {
  test(`${name}: what is written is read back`, () => {
    fc.assert(
      fc.property(values, (value) => {
        assert.deepEqual(codec.dec(codec.enc(value)), value);
      }),
    );
  });

  test(`${name}: bytes that are accepted are the only spelling of their value, all others are CodecErrors`, () => {
    const noise = fc.oneof(
      byteString(40),
      fc.tuple(values, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
        const bytes = codec.enc(value);
        if (bytes.length > 0) bytes[at % bytes.length] = byte;
        return bytes;
      }),
      fc.tuple(values, byteString(2)).map(([value, tail]) => Uint8Array.of(...codec.enc(value), ...tail)),
      fc.tuple(values, fc.nat(8)).map(([value, cut]) => codec.enc(value).slice(0, -cut)),
    );
    fc.assert(
      fc.property(noise, (bytes) => {
        try {
          assert.equal(toHex(codec.enc(codec.dec(bytes))), toHex(bytes));
        } catch (error) {
          if (!(error instanceof scale.CodecError)) throw error;
        }
      }),
    );
  });

  test(`${name}: a value takes no fewer bytes than its shape says`, () => {
    const least = scale.leastBytes(codec.shape);
    fc.assert(
      fc.property(values, (value) => {
        assert.ok(codec.enc(value).length >= least);
      }),
    );
  });
}

test('the known encodings of the SCALE specification come out', () => {
  const cases: readonly [string, Uint8Array][] = [
    ['0x00', scale.compact.enc(0n)],
    ['0x04', scale.compact.enc(1n)],
    ['0xa8', scale.compact.enc(42n)],
    ['0xfc', scale.compact.enc(63n)],
    ['0x1501', scale.compact.enc(69n)],
    ['0xfeff0300', scale.compact.enc(65_535n)],
    ['0xfeffffff', scale.compact.enc(1_073_741_823n)],
    ['0x0300000040', scale.compact.enc(1_073_741_824n)],
    ['0x0b00407a10f35a', scale.compact.enc(100_000_000_000_000n)],
    ['0x33ffffffffffffffffffffffffffffffff', scale.compact.enc((1n << 128n) - 1n)],
    ['0x18040008000f00100017002a00', scale.vec(scale.u16).enc([4, 8, 15, 16, 23, 42])],
    ['0x2a000000', scale.u32.enc(42)],
    ['0x1848616d6c6574', scale.str.enc('Hamlet')],
  ];
  for (const [expected, actual] of cases) assert.equal(toHex(actual), expected);
});

const REFUSED: readonly [string, scale.Codec<unknown>, string, scale.CodecFault][] = [
  ['a bool of 2', scale.bool, '0x02', 'bool'],
  ['an option tag of 2', scale.option(scale.u8), '0x0200', 'option'],
  ['a result tag of 2', scale.result(scale.u8, scale.u8), '0x0200', 'variant'],
  ['an unknown case', Shade, '0x01', 'variant'],
  ['a byte too many', scale.u8, '0x0101', 'trailing'],
  ['a byte too few', scale.u32, '0x010203', 'end'],
  ['63 in two bytes', scale.compact, '0xfd00', 'compact'],
  ['0 in two bytes', scale.compact, '0x0100', 'compact'],
  ['16383 in four bytes', scale.compact, '0xfeff0000', 'compact'],
  ['1 in five bytes', scale.compact, '0x0301000000', 'compact'],
  ['2^30-1 in five bytes', scale.compactU32, '0x03ffffff3f', 'compact'],
  ['a leading zero byte', scale.compact, '0x07ffffffff00', 'compact'],
  ['2^32 as a compact u32', scale.compactU32, '0x070000000001', 'compact'],
  ['2^64 as a compact u64', scale.compactU64, '0x17000000000000000001', 'compact'],
  ['2^128 as a compact u128', scale.compact, `0x37${'00'.repeat(16)}01`, 'compact'],
  ['256 as a compact u8', scale.compactU8, '0x0104', 'compact'],
  ['65536 as a compact u16', scale.compactU16, '0x02000400', 'compact'],
  ['a cut compact', scale.compact, '0x0bffff', 'end'],
  ['a length beyond the input', scale.bytes, '0x0c0102', 'length'],
  ['four billion items in five bytes', scale.vec(scale.u64), '0x03ffffffff', 'length'],
  ['more items than the bound', scale.vec(scale.u8, 2), '0x0c010203', 'length'],
  ['more bytes than the bound', scale.boundedBytes(2), '0x0c010203', 'length'],
  ['an overlong UTF-8 sequence', scale.str, '0x08c080', 'utf8'],
  ['a surrogate in UTF-8', scale.str, '0x0ceda080', 'utf8'],
  ['an opaque value with a rest', scale.opaque(scale.u8), '0x080101', 'trailing'],
  ['an opaque value that is cut', scale.opaque(scale.u16), '0x0401', 'end'],
];
for (const [what, codec, hex, code] of REFUSED) {
  test(`${what} is refused (${code})`, () => {
    assert.throws(() => codec.dec(fromHex(hex)), { name: 'CodecError', code });
  });
}

const UNWRITABLE: readonly [string, () => unknown, scale.CodecFault][] = [
  ['256 as u8', () => scale.u8.enc(256), 'range'],
  ['-1 as u8', () => scale.u8.enc(-1), 'range'],
  ['NaN as u32', () => scale.u32.enc(Number.NaN), 'range'],
  ['half a u16', () => scale.u16.enc(0.5), 'range'],
  ['2^31 as i32', () => scale.i32.enc(0x8000_0000), 'range'],
  ['-1 as u64', () => scale.u64.enc(-1n), 'range'],
  ['2^64 as u64', () => scale.u64.enc(1n << 64n), 'range'],
  ['2^128 as u128', () => scale.u128.enc(1n << 128n), 'range'],
  ['-1 as u128', () => scale.u128.enc(-1n), 'range'],
  ['2^128 as a compact', () => scale.compact.enc(1n << 128n), 'range'],
  ['-1 as a compact', () => scale.compact.enc(-1n), 'range'],
  ['2^16 as a compact u16', () => scale.compactU16.enc(65_536), 'range'],
  ['three bytes as [u8; 4]', () => scale.fixed(4).enc(new Uint8Array(3)), 'length'],
  ['a lone surrogate', () => scale.str.enc('\ud800'), 'utf8'],
];
for (const [what, write, code] of UNWRITABLE) {
  test(`${what} cannot be written (${code})`, () => {
    assert.throws(write, { name: 'CodecError', code });
  });
}

test('a leading byte order mark is part of a string', () => {
  assert.equal(scale.str.dec(fromHex('0x10efbbbf61')), '\ufeffa');
});

test('calls nested 300 deep are refused before the stack is', () => {
  const nest = (levels: number) => fromHex(`0x${'0004'.repeat(levels)}0000`);
  assert.equal(Tree.dec(nest(200)).leaf, 0);
  assert.throws(() => Tree.dec(nest(300)), { code: 'depth' });
});

test('a view into a larger buffer is read at its own offset, and what is read is a copy', () => {
  const buffer = Uint8Array.of(9, 9, 9, 9, 1, 0, 0, 0);
  assert.equal(scale.u32.dec(buffer.subarray(4)), 1);
  assert.equal(scale.u32.dec(Buffer.from([1, 0, 0, 0])), 1);
  const held = Buffer.from([8, 1, 2]);
  const value = scale.bytes.dec(held);
  held.fill(0);
  assert.deepEqual(value, Uint8Array.of(1, 2));
});

test('shapes say the portable type', () => {
  assert.deepEqual(scale.hash.shape, {
    kind: 'composite',
    path: ['primitive_types', 'H256'],
    params: [],
    docs: [],
    fields: [{ shape: { kind: 'array', of: { kind: 'primitive', name: 'u8' }, length: 32 } }],
  });
  const { shape } = scale.named('pallet::Shade', Shade);
  assert.ok(shape.kind === 'variant');
  assert.deepEqual(shape.path, ['pallet', 'Shade']);
  assert.deepEqual(
    shape.cases.map(({ name, index, fields }) => [name, index, fields.map((field) => field.name)]),
    [
      ['Clear', 0, []],
      ['Grey', 7, [undefined]],
      ['Colour', 9, ['red', 'green']],
    ],
  );
});

test('an encoder that failed half-way leaves nothing behind', () => {
  const Pair = scale.tuple(scale.u8, scale.u8);
  assert.throws(() => Pair.enc([1, 256]), { code: 'range' });
  assert.equal(toHex(Pair.enc([1, 2])), '0x0102');
});

test('bytes of others that spell no value are no value, and a fault of the codec itself is still thrown', () => {
  assert.equal(scale.tryDecode(scale.u16, fromHex('0x0201')), 0x0102);
  assert.equal(scale.tryDecode(scale.u16, fromHex('0x020100')), undefined);
  const Broken = scale.mapped(scale.u8, {
    decode: (): number => assert.fail('a bug'),
    encode: (value: number) => value,
  });
  assert.throws(() => scale.tryDecode(Broken, fromHex('0x00')), /a bug/);
});
