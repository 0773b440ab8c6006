// Matmul: GemmF32 of section 5. Strips of eight columns of B are packed, four rows of A pass over each.
import { clearTile, growTile, growTileAcross, growTileRow, storeTileRow } from './tile';

/** out[k][8] = columns 0 .. width-1 of b, whose element [l][j] lies at l * kStep + j * nStep bytes; +0 beyond. */
function packStrip(out: usize, b: usize, k: i32, kStep: usize, nStep: usize, width: i32): void {
  if (nStep == 4 && width == 8) {
    for (let l = 0; l < k; l++) {
      v128.store(out, v128.load(b));
      v128.store(out, v128.load(b, 16), 16);
      out += 32;
      b += kStep;
    }
    return;
  }
  memory.fill(out, 0, (k as usize) << 5);
  for (let j = 0; j < width; j++) {
    let from = b + (j as usize) * nStep;
    let to = out + ((j as usize) << 2);
    for (let l = 0; l < k; l++) {
      store<f32>(to, load<f32>(from));
      from += kStep;
      to += 32;
    }
  }
}

export function gemmF32(
  c: usize, a: usize, b: usize, m: i32, n: i32, k: i32, transposeA: i32, transposeB: i32, scale: f32,
  batch: i32, strideA: i32, strideB: i32, strideC: i32, scratch: usize,
): void {
  const aRow: usize = transposeA ? 4 : (k as usize) << 2;
  const aStep: usize = transposeA ? (m as usize) << 2 : 4;
  const kStep: usize = transposeB ? 4 : (n as usize) << 2;
  const nStep: usize = transposeB ? (k as usize) << 2 : 4;
  const cRow = (n as usize) << 2;
  for (let product = 0; product < batch; product++) {
    for (let j = 0; j < n; j += 8) {
      const width = min(n - j, 8);
      packStrip(scratch, b + (j as usize) * nStep, k, kStep, nStep, width);
      for (let i = 0; i < m; i += 4) {
        const rows = min(m - i, 4);
        const a0 = a + (i as usize) * aRow;
        clearTile();
        if (!transposeA) {
          const a1 = rows > 1 ? a0 + aRow : a0;
          const a2 = rows > 2 ? a1 + aRow : a0;
          const a3 = rows > 3 ? a2 + aRow : a0;
          growTile(a0, a1, a2, a3, scratch, 32, k);
        } else if (rows == 4) {
          growTileAcross(a0, aStep, scratch, 32, k);
        } else {
          for (let r = 0; r < rows; r++) growTileRow(r, a0 + ((r as usize) << 2), aStep, scratch, 32, k);
        }
        const out = c + (i as usize) * cRow + ((j as usize) << 2);
        for (let r = 0; r < rows; r++) storeTileRow(r, out + (r as usize) * cRow, scale, width);
      }
    }
    a += (strideA as usize) << 2;
    b += (strideB as usize) << 2;
    c += (strideC as usize) << 2;
  }
}
