// Attention of section 5, head by head. Rows of queries go in fours. Where the causal ranges of the four differ, the
// weights outside a range are +0, and with a finite operand their products are zeros, which change no sum: a sum from
// +0 is never -0. With a non-finite operand each row adds its own terms alone.
import { softmaxGradRow, softmaxRow } from './normalise';
import { nonFinite } from './optimise';
import { clearTile, growTile, growTileAcross, growTileRow, storeTileRow } from './tile';

/** out[rows][padded] = the rows of x (step bytes apart), width columns each, +0 beyond. */
function packRows(out: usize, x: usize, step: usize, rows: i32, width: i32, padded: i32): void {
  const bytes = (width as usize) << 2;
  const line = (padded as usize) << 2;
  for (let i = 0; i < rows; i++) {
    memory.copy(out, x, bytes);
    if (line > bytes) memory.fill(out + bytes, 0, line - bytes);
    out += line;
    x += step;
  }
}

/** out[width][padded] = the transpose of the rows of x, +0 beyond column `rows`. */
function packTransposed(out: usize, x: usize, step: usize, rows: i32, width: i32, padded: i32): void {
  const line = (padded as usize) << 2;
  if (padded > rows) memory.fill(out, 0, (width as usize) * line);
  let i = 0;
  for (; i + 4 <= rows; i += 4) {
    let d = 0;
    let to = out + ((i as usize) << 2);
    for (; d + 4 <= width; d += 4) {
      transposeFour(to, line, x + ((d as usize) << 2), step);
      to += 4 * line;
    }
    for (; d < width; d++) {
      for (let r: usize = 0; r < 4; r++) store<f32>(to + 4 * r, load<f32>(x + ((d as usize) << 2) + r * step));
      to += line;
    }
    x += 4 * step;
  }
  for (; i < rows; i++) {
    for (let d: usize = 0; d < (width as usize); d++) {
      store<f32>(out + ((i as usize) << 2) + d * line, load<f32>(x + (d << 2)));
    }
    x += step;
  }
}

/** A 4 x 4 transpose. */
// @ts-ignore: decorator
@inline
function transposeFour(to: usize, line: usize, x: usize, step: usize): void {
  const a = v128.load(x);
  const b = v128.load(x + step);
  const c = v128.load(x + 2 * step);
  const d = v128.load(x + 3 * step);
  const ab0 = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const ab1 = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const cd0 = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const cd1 = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  v128.store(to, i8x16.shuffle(ab0, cd0, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
  v128.store(to + line, i8x16.shuffle(ab0, cd0, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
  v128.store(to + 2 * line, i8x16.shuffle(ab1, cd1, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
  v128.store(to + 3 * line, i8x16.shuffle(ab1, cd1, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
}

/** Scores of rows i .. i+count-1 against every column below `limit`: sums over d of a row and a transposed operand. */
// @ts-ignore: decorator
@inline
function scoreRows(
  out: usize, outStep: usize, a: usize, aRow: usize, bT: usize, line: usize,
  count: i32, width: i32, limit: i32, scale: f32,
): void {
  const a1 = count > 1 ? a + aRow : a;
  const a2 = count > 2 ? a1 + aRow : a;
  const a3 = count > 3 ? a2 + aRow : a;
  for (let j = 0; j < limit; j += 8) {
    clearTile();
    growTile(a, a1, a2, a3, bT + ((j as usize) << 2), line, width);
    const to = out + ((j as usize) << 2);
    for (let r = 0; r < count; r++) storeTileRow(r, to + (r as usize) * outStep, scale, min(limit - j, 8));
  }
}

/**
 * out rows i .. i+count-1 = sums over the columns j of their ranges, ascending, of w[row][j] * b[j][..], times scale.
 * w points at row i and is +0 outside the ranges; `exact` sums nothing outside them.
 */
// @ts-ignore: decorator
@inline
function mixRows(
  out: usize, outStep: usize, w: usize, wRow: usize, b: usize, line: usize,
  i: i32, count: i32, width: i32, tokens: i32, causal: bool, exact: bool, scale: f32,
): void {
  const common = causal ? (exact ? i + 1 : i + count) : tokens;
  const w1 = count > 1 ? w + wRow : w;
  const w2 = count > 2 ? w1 + wRow : w;
  const w3 = count > 3 ? w2 + wRow : w;
  for (let d = 0; d < width; d += 8) {
    const column = b + ((d as usize) << 2);
    clearTile();
    growTile(w, w1, w2, w3, column, line, common);
    const to = out + ((d as usize) << 2);
    for (let r = 0; r < count; r++) {
      if (causal && exact) {
        const own = w + (r as usize) * wRow + ((common as usize) << 2);
        growTileRow(r, own, 4, column + (common as usize) * line, line, r);
      }
      storeTileRow(r, to + (r as usize) * outStep, scale, min(width - d, 8));
    }
  }
}

/**
 * out rows j .. j+count-1 = sums over the rows i whose range holds j, ascending, of w[i][j] * b[i][..], times scale.
 * w is +0 outside the ranges; `exact` sums nothing outside them.
 */
// @ts-ignore: decorator
@inline
function mixColumns(
  out: usize, outStep: usize, w: usize, wRow: usize, b: usize, line: usize,
  j: i32, count: i32, width: i32, tokens: i32, causal: bool, exact: bool, scale: f32,
): void {
  const first = causal ? j : 0;
  const from = w + ((j as usize) << 2);
  for (let d = 0; d < width; d += 8) {
    const column = b + ((d as usize) << 2);
    clearTile();
    if (count == 4 && !(causal && exact)) {
      growTileAcross(from + (first as usize) * wRow, wRow, column + (first as usize) * line, line, tokens - first);
    } else {
      for (let r = 0; r < count; r++) {
        const i: usize = causal ? ((j + r) as usize) : 0;
        growTileRow(r, from + ((r as usize) << 2) + i * wRow, wRow, column + i * line, line, tokens - (i as i32));
      }
    }
    const to = out + ((d as usize) << 2);
    for (let r = 0; r < count; r++) storeTileRow(r, to + (r as usize) * outStep, scale, min(width - d, 8));
  }
}

// @ts-ignore: decorator
@inline
function word(shape: usize, index: usize): i32 {
  return load<i32>(shape + (index << 2));
}

/** Byte offset of head h of sequence s among rows `stride` elements long. */
// @ts-ignore: decorator
@inline
function headAt(s: i32, h: i32, tokens: i32, width: i32, stride: i32): usize {
  return ((s * tokens) as usize * (stride as usize) + ((h * width) as usize)) << 2;
}

export function attention(o: usize, p: usize, q: usize, k: usize, v: usize, shape: usize, scratch: usize): void {
  const sequences = word(shape, 0);
  const heads = word(shape, 1);
  const tokens = word(shape, 2);
  const width = word(shape, 3);
  const causal = word(shape, 4) != 0;
  const scale = reinterpret<f32>(word(shape, 5));
  const strideQ = word(shape, 6);
  const strideK = word(shape, 7);
  const strideV = word(shape, 8);
  const strideO = word(shape, 9);
  const tokensPadded = (tokens + 7) & ~7;
  const widthPadded = (width + 7) & ~7;
  const kT = scratch;
  const vPacked = kT + ((width * tokensPadded) << 2);
  const row = (tokens as usize) << 2;
  for (let s = 0; s < sequences; s++) {
    for (let h = 0; h < heads; h++) {
      const qHead = q + headAt(s, h, tokens, width, strideQ);
      const oHead = o + headAt(s, h, tokens, width, strideO);
      const kHead = k + headAt(s, h, tokens, width, strideK);
      packTransposed(kT, kHead, (strideK as usize) << 2, tokens, width, tokensPadded);
      packRows(vPacked, v + headAt(s, h, tokens, width, strideV), (strideV as usize) << 2, tokens, width, widthPadded);
      const exact = nonFinite(vPacked, tokens * widthPadded) != 0;
      for (let i = 0; i < tokens; i += 4) {
        const count = min(tokens - i, 4);
        const pRows = p + (i as usize) * row;
        const limit = causal ? i + count : tokens;
        scoreRows(
          pRows, row, qHead + (i as usize) * ((strideQ as usize) << 2), (strideQ as usize) << 2,
          kT, (tokensPadded as usize) << 2, count, width, limit, scale,
        );
        for (let r = 0; r < count; r++) {
          const at = pRows + (r as usize) * row;
          softmaxRow(at, at, causal ? i + r + 1 : tokens, tokens);
        }
        mixRows(
          oHead + (i as usize) * ((strideO as usize) << 2), (strideO as usize) << 2, pRows, row,
          vPacked, (widthPadded as usize) << 2, i, count, width, tokens, causal, exact, 1,
        );
      }
      p += (tokens as usize) * row;
    }
  }
}

export function attentionGrad(
  dq: usize, dk: usize, dv: usize, grad: usize, q: usize, k: usize, v: usize, p: usize, shape: usize, scratch: usize,
): void {
  const sequences = word(shape, 0);
  const heads = word(shape, 1);
  const tokens = word(shape, 2);
  const width = word(shape, 3);
  const causal = word(shape, 4) != 0;
  const scale = reinterpret<f32>(word(shape, 5));
  const tokensPadded = (tokens + 7) & ~7;
  const widthPadded = (width + 7) & ~7;
  const packed = (tokens * widthPadded) << 2;
  const vT = scratch;
  const qPacked = vT + ((width * tokensPadded) << 2);
  const kPacked = qPacked + packed;
  const gPacked = kPacked + packed;
  const ds = gPacked + packed;
  const row = (tokens as usize) << 2;
  const line = (widthPadded as usize) << 2;
  for (let s = 0; s < sequences; s++) {
    for (let h = 0; h < heads; h++) {
      const strideQ = word(shape, 6);
      const strideK = word(shape, 7);
      const strideV = word(shape, 8);
      const strideO = word(shape, 9);
      packRows(qPacked, q + headAt(s, h, tokens, width, strideQ), (strideQ as usize) << 2, tokens, width, widthPadded);
      packRows(kPacked, k + headAt(s, h, tokens, width, strideK), (strideK as usize) << 2, tokens, width, widthPadded);
      const gHead = grad + headAt(s, h, tokens, width, strideO);
      packRows(gPacked, gHead, (strideO as usize) << 2, tokens, width, widthPadded);
      const vHead = v + headAt(s, h, tokens, width, strideV);
      packTransposed(vT, vHead, (strideV as usize) << 2, tokens, width, tokensPadded);
      headGrad(
        dq + headAt(s, h, tokens, width, word(shape, 10)), (word(shape, 10) as usize) << 2,
        dk + headAt(s, h, tokens, width, word(shape, 11)), (word(shape, 11) as usize) << 2,
        dv + headAt(s, h, tokens, width, word(shape, 12)), (word(shape, 12) as usize) << 2,
        qPacked, kPacked, gPacked, vT, ds, p, line, row, tokens, width, tokensPadded, causal, scale,
      );
      p += (tokens as usize) * row;
    }
  }
}

/** The gradients of one head from its packed operands; ds[tokens][tokens] is scratch. */
function headGrad(
  dq: usize, dqStep: usize, dk: usize, dkStep: usize, dv: usize, dvStep: usize,
  q: usize, k: usize, g: usize, vT: usize, ds: usize, p: usize, line: usize, row: usize,
  tokens: i32, width: i32, tokensPadded: i32, causal: bool, scale: f32,
): void {
  const values = ((line >> 2) as i32) * tokens;
  const exactQ = nonFinite(q, values) != 0;
  const exactK = nonFinite(k, values) != 0;
  const exactG = nonFinite(g, values) != 0;
  for (let i = 0; i < tokens; i += 4) {
    const count = min(tokens - i, 4);
    const at = (i as usize) * row;
    const limit = causal ? i + count : tokens;
    scoreRows(ds + at, row, g + (i as usize) * line, line, vT, (tokensPadded as usize) << 2, count, width, limit, 1);
    for (let r = 0; r < count; r++) {
      const dsRow = ds + at + (r as usize) * row;
      const range = causal ? i + r + 1 : tokens;
      softmaxGradRow(dsRow, p + at + (r as usize) * row, dsRow, range);
      for (let j = range; j < limit; j++) store<f32>(dsRow + ((j as usize) << 2), 0);
    }
    mixRows(dq + (i as usize) * dqStep, dqStep, ds + at, row, k, line, i, count, width, tokens, causal, exactK, scale);
  }
  for (let j = 0; j < tokens; j += 4) {
    const count = min(tokens - j, 4);
    mixColumns(
      dk + (j as usize) * dkStep, dkStep, ds, row, q, line, j, count, width, tokens, causal, exactQ, scale,
    );
    mixColumns(dv + (j as usize) * dvStep, dvStep, p, row, g, line, j, count, width, tokens, causal, exactG, 1);
  }
}
