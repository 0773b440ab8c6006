import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromLittleEndian, fromUtf8, littleEndian, utf8 } from '../../src/base/bytes.ts';

test('a string survives UTF-8, a byte order mark at its start included', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => fromUtf8(utf8(text)) === text));
  assert.equal(fromUtf8(utf8('\ufeffname')), '\ufeffname');
  assert.throws(() => fromUtf8(Uint8Array.of(0xff)), TypeError);
});

test('an integer survives its little-endian bytes, and one that does not fit is refused', () => {
  const sized = fc.integer({ min: 1, max: 32 }).chain((size) => fc.tuple(fc.constant(size), fc.bigInt(0n, 1n << 256n)));
  fc.assert(
    fc.property(sized, ([size, value]) => {
      if (value >> BigInt(8 * size) === 0n) assert.equal(fromLittleEndian(littleEndian(value, size)), value);
      else assert.throws(() => littleEndian(value, size), RangeError);
    }),
  );
});
