/**
 * # Reference, quantise: Philox bits, int8 lines with one scale each, and the integer product (sections 7 and 8 of
 * docs/spec/engine.md).
 */

import { philox4x32 } from '../../../crypto/philox.ts';
import type { KernelCalls } from '../kernels.ts';
import { uniformAt } from '../philox.ts';
import { maximum, minimum, ofBits, rne } from '../scalar.ts';
import type { LinearMemory } from './memory.ts';

const f = Math.fround;
/** 1e-12: lines below it quantise to 0 or to few levels. */
const FLOOR = ofBits(0x2b8cbccc);

type Calls = Pick<KernelCalls, 'philox' | 'uniform16' | 'quantiseRows' | 'quantiseCols' | 'igemm'>;

export function quantise(memory: LinearMemory): Calls {
  return {
    philox(out, c0, c1, c2, c3, key0, key1) {
      memory.u32.set(philox4x32([key0, key1], [c0, c1, c2, c3]), out / 4);
    },
    uniform16(u, n, key0, key1, node, purpose) {
      const to = memory.floats(u, n);
      for (let e = 0; e < n; e++) to[e] = f(uniformAt(e, [key0, key1], node, purpose)) * ofBits(0x37800000);
    },
    quantiseRows(q, s, x, m, k, transposed, u) {
      const place = transposed ? { line: 1, step: m } : { line: k, step: 1 };
      quantiseLines(memory, { q, s, x, u }, m, k, place, { line: k, step: 1 });
    },
    quantiseCols(q, s, x, k, n, transposed, u) {
      const place = transposed ? { line: k, step: 1 } : { line: 1, step: n };
      quantiseLines(memory, { q, s, x, u }, n, k, place, { line: 1, step: n });
    },
    igemm(c, qa, sa, qb, sb, m, n, k) {
      const scaleA = memory.floats(sa, m);
      const scaleB = memory.floats(sb, n);
      for (let i = 0; i < m; i++) {
        const a = memory.i8.subarray(qa + i * k, qa + (i + 1) * k);
        for (let j = 0; j < n; j++) {
          const b = memory.i8.subarray(qb + j * k, qb + (j + 1) * k);
          let sum = 0;
          for (let l = 0; l < k; l++) sum += (a[l] as number) * (b[l] as number);
          memory.f32[c / 4 + i * n + j] = f(f(f(sum) * (scaleA[i] as number)) * (scaleB[j] as number)) + 0;
        }
      }
    },
  };
}

interface Offsets {
  readonly q: number;
  readonly s: number;
  readonly x: number;
  /** 0: to nearest. */
  readonly u: number;
}

/** Elements between two lines, and between two neighbours of one line. */
interface LinePlace {
  readonly line: number;
  readonly step: number;
}

function quantiseLines(
  memory: LinearMemory,
  at: Offsets,
  lines: number,
  count: number,
  place: LinePlace,
  uPlace: LinePlace,
): void {
  const x = memory.floats(at.x, lines * count);
  const u = memory.floats(at.u, at.u === 0 ? 0 : lines * count);
  for (let i = 0; i < lines; i++) {
    let absmax = 0;
    for (let l = 0; l < count; l++) absmax = maximum(absmax, Math.abs(x[i * place.line + l * place.step] as number));
    const finite = Number.isFinite(absmax);
    const a = maximum(absmax, FLOOR);
    const r = f(63 / a);
    memory.f32[at.s / 4 + i] = finite ? a / 63 : Number.NaN;
    for (let l = 0; l < count; l++) {
      const scaled = f((x[i * place.line + l * place.step] as number) * r);
      const level = at.u === 0 ? rne(scaled) : Math.floor(f(scaled + (u[i * uPlace.line + l * uPlace.step] as number)));
      memory.i8[at.q + i * count + l] = finite ? minimum(maximum(level, -63), 63) : 0;
    }
  }
}
