// Tile: four rows by eight columns of an in-order f32 product (section 5), the inner loop of GemmF32 and attention.
// The accumulators rest in TILE between calls, so that a row whose sum has more terms than its neighbours (the causal
// ranges of attention) can get exactly its own terms, in order.
import { add, mul } from './lanes';
import { storePart } from './memory';

const TILE: usize = memory.data(128, 16);

/** Plain stores: a bulk fill of 128 bytes is a call out of the module. */
export function clearTile(): void {
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < 128; i += 16) v128.store(TILE + i, zero);
}

/** For l < count: row r += a_r[l] * b[l][0..7]; the a are dense, b steps bStep bytes. */
export function growTile(a0: usize, a1: usize, a2: usize, a3: usize, b: usize, bStep: usize, count: i32): void {
  let c00 = v128.load(TILE);
  let c01 = v128.load(TILE, 16);
  let c10 = v128.load(TILE, 32);
  let c11 = v128.load(TILE, 48);
  let c20 = v128.load(TILE, 64);
  let c21 = v128.load(TILE, 80);
  let c30 = v128.load(TILE, 96);
  let c31 = v128.load(TILE, 112);
  for (; count > 0; count--) {
    let b0 = v128.load(b);
    let b1 = v128.load(b, 16);
    let v = v128.load32_splat(a0);
    c00 = add(c00, mul(v, b0));
    c01 = add(c01, mul(v, b1));
    v = v128.load32_splat(a1);
    c10 = add(c10, mul(v, b0));
    c11 = add(c11, mul(v, b1));
    v = v128.load32_splat(a2);
    c20 = add(c20, mul(v, b0));
    c21 = add(c21, mul(v, b1));
    v = v128.load32_splat(a3);
    c30 = add(c30, mul(v, b0));
    c31 = add(c31, mul(v, b1));
    b += bStep;
    a0 += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
  }
  v128.store(TILE, c00);
  v128.store(TILE, c01, 16);
  v128.store(TILE, c10, 32);
  v128.store(TILE, c11, 48);
  v128.store(TILE, c20, 64);
  v128.store(TILE, c21, 80);
  v128.store(TILE, c30, 96);
  v128.store(TILE, c31, 112);
}

/** As growTile, where row r's value is the r-th of four neighbours: a steps aStep bytes. */
export function growTileAcross(a: usize, aStep: usize, b: usize, bStep: usize, count: i32): void {
  let c00 = v128.load(TILE);
  let c01 = v128.load(TILE, 16);
  let c10 = v128.load(TILE, 32);
  let c11 = v128.load(TILE, 48);
  let c20 = v128.load(TILE, 64);
  let c21 = v128.load(TILE, 80);
  let c30 = v128.load(TILE, 96);
  let c31 = v128.load(TILE, 112);
  for (; count > 0; count--) {
    let b0 = v128.load(b);
    let b1 = v128.load(b, 16);
    let v = v128.load32_splat(a);
    c00 = add(c00, mul(v, b0));
    c01 = add(c01, mul(v, b1));
    v = v128.load32_splat(a, 4);
    c10 = add(c10, mul(v, b0));
    c11 = add(c11, mul(v, b1));
    v = v128.load32_splat(a, 8);
    c20 = add(c20, mul(v, b0));
    c21 = add(c21, mul(v, b1));
    v = v128.load32_splat(a, 12);
    c30 = add(c30, mul(v, b0));
    c31 = add(c31, mul(v, b1));
    b += bStep;
    a += aStep;
  }
  v128.store(TILE, c00);
  v128.store(TILE, c01, 16);
  v128.store(TILE, c10, 32);
  v128.store(TILE, c11, 48);
  v128.store(TILE, c20, 64);
  v128.store(TILE, c21, 80);
  v128.store(TILE, c30, 96);
  v128.store(TILE, c31, 112);
}

/** As growTile, for row r alone; a steps aStep bytes. */
export function growTileRow(r: i32, a: usize, aStep: usize, b: usize, bStep: usize, count: i32): void {
  const at = TILE + ((r as usize) << 5);
  let c0 = v128.load(at);
  let c1 = v128.load(at, 16);
  for (; count > 0; count--) {
    const v = v128.load32_splat(a);
    c0 = add(c0, mul(v, v128.load(b)));
    c1 = add(c1, mul(v, v128.load(b, 16)));
    a += aStep;
    b += bStep;
  }
  v128.store(at, c0);
  v128.store(at, c1, 16);
}

/** Writes the first `count` (1..8) columns of row r, times scale, to out. */
export function storeTileRow(r: i32, out: usize, scale: f32, count: i32): void {
  const at = TILE + ((r as usize) << 5);
  const factor = f32x4.splat(scale);
  const c0 = mul(v128.load(at), factor);
  const c1 = mul(v128.load(at, 16), factor);
  if (count >= 8) {
    v128.store(out, c0);
    v128.store(out, c1, 16);
  } else if (count > 4) {
    v128.store(out, c0);
    storePart(out + 16, c1, count - 4);
  } else {
    storePart(out, c0, count);
  }
}
