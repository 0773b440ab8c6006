// Memory: the first page belongs to the module (static tables and small accumulators); all else belongs to the caller.

/** 64 lanes of 16 columns, f32: the accumulators of one column sum; a row sum uses the first 64 floats. */
export const LANES: usize = memory.data(4096, 64);
/** 32 floats: the end of an array that is no multiple of a vector. */
export const TAIL: usize = memory.data(128, 16);

/** The first byte after the module's static data; the build checks that it lies within page 0. */
export function staticEnd(): usize {
  return __heap_base;
}

/** The first `count` (1..4) elements at p; the other lanes are +0. */
export function loadPart(p: usize, count: i32): v128 {
  let v = v128.load32_zero(p);
  if (count > 1) v = v128.load_lane<u32>(p + 4, v, 1);
  if (count > 2) v = v128.load_lane<u32>(p + 8, v, 2);
  if (count > 3) v = v128.load_lane<u32>(p + 12, v, 3);
  return v;
}

/** Writes the first `count` (1..4) lanes of v to p. */
export function storePart(p: usize, v: v128, count: i32): void {
  v128.store_lane<u32>(p, v, 0);
  if (count > 1) v128.store_lane<u32>(p + 4, v, 1);
  if (count > 2) v128.store_lane<u32>(p + 8, v, 2);
  if (count > 3) v128.store_lane<u32>(p + 12, v, 3);
}

const PART: usize = memory.data<u32>([0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0, 0, 0, 0], 16);

/** All ones in the first `count` (0..4) lanes. */
export function partMask(count: i32): v128 {
  return v128.load(PART + 16 - ((count as usize) << 2));
}
