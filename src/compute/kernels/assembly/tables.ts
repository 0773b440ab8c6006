// Tables: gather and scatter-add of rows, and the strided copy of 32-bit elements.
import { add } from './lanes';
import { loadPart, storePart } from './memory';

/** 1 if an index lies outside the table, else 0. */
function outside(index: usize, count: i32, rows: i32): i32 {
  for (let i = 0; i < count; i++) {
    if (load<u32>(index + ((i as usize) << 2)) >= (rows as u32)) return 1;
  }
  return 0;
}

export function gather(out: usize, table: usize, index: usize, count: i32, tableRows: i32, cols: i32): i32 {
  if (outside(index, count, tableRows)) return 1;
  const width = (cols as usize) << 2;
  for (let i = 0; i < count; i++) {
    memory.copy(out, table + (load<u32>(index + ((i as usize) << 2)) as usize) * width, width);
    out += width;
  }
  return 0;
}

export function scatterAdd(dw: usize, dy: usize, index: usize, count: i32, tableRows: i32, cols: i32): i32 {
  if (outside(index, count, tableRows)) return 1;
  const width = (cols as usize) << 2;
  const rest = cols & 3;
  memory.fill(dw, 0, (tableRows as usize) * width);
  for (let i = 0; i < count; i++) {
    const row = dw + (load<u32>(index + ((i as usize) << 2)) as usize) * width;
    let at: usize = 0;
    for (; at + 16 <= width; at += 16) v128.store(row + at, add(v128.load(row + at), v128.load(dy + at)));
    if (rest) storePart(row + at, add(loadPart(row + at, rest), loadPart(dy + at, rest)), rest);
    dy += width;
  }
  return 0;
}

/** A plane of rows x cols elements; all strides in bytes. */
function copyPlane(
  out: usize, x: usize, rows: i32, cols: i32, outRow: usize, outCol: usize, inRow: usize, inCol: usize,
): void {
  if (outCol == 4 && inCol == 4) {
    for (let i = 0; i < rows; i++) {
      memory.copy(out, x, (cols as usize) << 2);
      out += outRow;
      x += inRow;
    }
    return;
  }
  // Blocks of 16 columns: a transpose then reads whole cache lines of x instead of one element of each.
  for (let from = 0; from < cols; from += 16) {
    const until = min(from + 16, cols);
    let outLine = out;
    let inLine = x;
    for (let i = 0; i < rows; i++) {
      for (let j = from; j < until; j++) {
        store<u32>(outLine + (j as usize) * outCol, load<u32>(inLine + (j as usize) * inCol));
      }
      outLine += outRow;
      inLine += inRow;
    }
  }
}

// @ts-ignore: decorator
@inline
function entry(shape: usize, index: i32): i32 {
  return load<i32>(shape + ((index as usize) << 2));
}

export function copy(out: usize, x: usize, shape: usize): void {
  const rank = load<i32>(shape);
  const sizes = shape + 4;
  const outStrides = sizes + ((rank as usize) << 2);
  const inStrides = outStrides + ((rank as usize) << 2);
  const cols = rank > 0 ? entry(sizes, rank - 1) : 1;
  const outCol = rank > 0 ? entry(outStrides, rank - 1) : 1;
  const inCol = rank > 0 ? entry(inStrides, rank - 1) : 1;
  const rows = rank > 1 ? entry(sizes, rank - 2) : 1;
  const outRow = rank > 1 ? entry(outStrides, rank - 2) : 0;
  const inRow = rank > 1 ? entry(inStrides, rank - 2) : 0;
  let planes = 1;
  for (let axis = 0; axis < rank - 2; axis++) planes *= entry(sizes, axis);
  for (let plane = 0; plane < planes; plane++) {
    let index = plane;
    let outAt = 0;
    let inAt = 0;
    for (let axis = rank - 3; axis >= 0; axis--) {
      const size = entry(sizes, axis);
      outAt += (index % size) * entry(outStrides, axis);
      inAt += (index % size) * entry(inStrides, axis);
      index /= size;
    }
    copyPlane(
      out + ((outAt << 2) as usize), x + ((inAt << 2) as usize), rows, cols,
      (outRow << 2) as usize, (outCol << 2) as usize, (inRow << 2) as usize, (inCol << 2) as usize,
    );
  }
}
