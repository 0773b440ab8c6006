/**
 * # Kernels: the operators of class i7 over one linear memory.
 *
 * Always true: two implementations of this interface, `reference.ts` (plain JavaScript, the specification) and
 * `wasm.ts` (production), leave the same bits in memory for every call, where any NaN equals any NaN. Source:
 * docs/spec/engine.md; its section numbers stand beside each group.
 *
 * Conventions. A tensor is a byte offset, a multiple of 4 (16 is fastest), of a dense row-major f32 array. Sizes and
 * strides are counts of elements. A flag is 0 or 1. An f32 argument is a number that is already an f32 value. Offsets
 * below `RESERVED_BYTES` belong to the module; offset 0 therefore stands for "absent" where a kernel allows it. Unless
 * a kernel says otherwise, an output may be the same array as an input of the same shape, and never overlaps it in
 * part. Nothing is checked: offsets come from the planner; what comes from data (indices, labels) is.
 */

/** The first page of the memory belongs to the module. A caller's tensors begin here. */
export const RESERVED_BYTES = 65_536;
/** The most that the memory can hold: 65,536 pages of 64 KiB. */
export const MAX_BYTES = 4_294_967_296;
/** The most dimensions of a strided copy or reduction. */
export const MAX_RANK = 6;

/** The kernels of this process do not compute what the specification says: no work of theirs may be used. */
export class KernelsUnfit extends Error {
  override readonly name = 'KernelsUnfit';
}

/** Elementwise operators of two operands (sections 1 and 4); comparisons give 1 or +0. */
export const BINARY = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  max: 4,
  min: 5,
  /** b - a */
  subFrom: 6,
  /** b / a */
  divInto: 7,
  less: 8,
  lessOrEqual: 9,
  greater: 10,
  greaterOrEqual: 11,
  equal: 12,
} as const;
export type BinaryOp = (typeof BINARY)[keyof typeof BINARY];

/** Elementwise operators of one operand (sections 3 and 4). gelu is the tanh form, geluErf the erf form. */
export const UNARY = {
  neg: 0,
  abs: 1,
  sqrt: 2,
  exp: 3,
  log: 4,
  tanh: 5,
  sigmoid: 6,
  erf: 7,
  relu: 8,
  gelu: 9,
  geluErf: 10,
  silu: 11,
  /** 1/sqrt(x), two roundings */
  rsqrt: 12,
} as const;
export type UnaryOp = (typeof UNARY)[keyof typeof UNARY];

/** Gradients of section 4: dx from x and dy. */
export const GRADIENT = {
  exp: 0,
  log: 1,
  tanh: 2,
  sigmoid: 3,
  erf: 4,
  relu: 5,
  gelu: 6,
  geluErf: 7,
  silu: 8,
} as const;
export type GradientOp = (typeof GRADIENT)[keyof typeof GRADIENT];

/** What a kernel that reads indices answers. On `outOfRange` nothing was written: the batch is inadmissible. */
export const STATUS = { ok: 0, outOfRange: 1 } as const;

/** The kernels alone: what the WASM module exports under the same names. */
export interface KernelCalls {
  // ---- Elementwise (sections 1, 3, 4)
  /** out[i] = a[i] op b[i], i < n. */
  binary(op: BinaryOp, out: number, a: number, b: number, n: number): void;
  /** out[i] = a[i] op scalar. `subFrom` and `divInto` put the scalar on the left. */
  binaryScalar(op: BinaryOp, out: number, a: number, scalar: number, n: number): void;
  /** out[r][c] = a[r][c] op b[c]: a bias. */
  binaryRow(op: BinaryOp, out: number, a: number, b: number, rows: number, cols: number): void;
  /** out[r][c] = a[r][c] op b[r]. */
  binaryColumn(op: BinaryOp, out: number, a: number, b: number, rows: number, cols: number): void;
  /** out[i] = op(x[i]). */
  unary(op: UnaryOp, out: number, x: number, n: number): void;
  /** dx[i] from x[i] and dy[i]; dx may be either. */
  gradient(op: GradientOp, dx: number, x: number, dy: number, n: number): void;
  /** out[i] = condition[i] != 0 ? a[i] : b[i], bit for bit (a NaN condition is not 0). */
  where(out: number, condition: number, a: number, b: number, n: number): void;
  /** Copies 32-bit elements between strided places: transpose, slice, expand, concat. `shape` is a `copyShape`. */
  copy(out: number, x: number, shape: number): void;

  // ---- Sums (section 2)
  /** SUM of n terms. */
  sum(x: number, n: number): number;
  /** out[r] = SUM of row r. */
  rowSum(out: number, x: number, rows: number, n: number): void;
  /** out[r] = SUM of row r / f32(n). */
  rowMean(out: number, x: number, rows: number, n: number): void;
  /** out[r] = maximum of row r; NaN if the row holds one; -infinity if n = 0. */
  rowMax(out: number, x: number, rows: number, n: number): void;
  /** out[c] = SUM over r of x[r][c]. out is not x. */
  columnSum(out: number, x: number, rows: number, cols: number): void;
  /** SUM over any axes, in row-major order of the reduced axes; out is dense. `shape` is a `sumShape`. out is not x. */
  sumAxes(out: number, x: number, shape: number): void;
  /** out[c] = SUM of the squares of elements [4096 c, 4096 (c + 1)) of n: the chunks of a global norm (section 9). */
  squareChunks(out: number, x: number, n: number): void;

  // ---- Normalisation, softmax, losses (section 6)
  /** y[rows][n], mean[rows], rstd[rows] of x[rows][n]. */
  layerNorm(
    y: number,
    mean: number,
    rstd: number,
    x: number,
    gamma: number,
    beta: number,
    rows: number,
    n: number,
    eps: number,
  ): void;
  /** dx[rows][n], dgamma[n], dbeta[n]. dx may be dy. */
  layerNormGrad(
    dx: number,
    dgamma: number,
    dbeta: number,
    dy: number,
    x: number,
    gamma: number,
    mean: number,
    rstd: number,
    rows: number,
    n: number,
  ): void;
  /** p[rows][n]. causal: row i ranges over columns 0 .. i mod n, and p is +0 elsewhere. */
  softmax(p: number, x: number, rows: number, n: number, causal: number): void;
  /** dx[rows][n] = p * (dp - SUM(p * dp)). */
  softmaxGrad(dx: number, p: number, dp: number, rows: number, n: number): void;
  /** loss[1], rowLoss[rows], dx[rows][classes] (absent if 0) of logits x and i32 labels. STATUS. dx may be x. */
  crossEntropy(
    loss: number,
    rowLoss: number,
    dx: number,
    x: number,
    labels: number,
    rows: number,
    classes: number,
  ): number;
  /** loss[1] and dy[n] (absent if 0) of y[n] and targets t[n]. dy may be y. */
  mse(loss: number, dy: number, y: number, t: number, n: number): void;

  // ---- Matrix products, attention, tables (section 5)
  /**
   * Independent products c[m][n] = (a[m][k] b[k][n]) * scale, `batch` of them, their operands strideA, strideB,
   * strideC elements apart (0 repeats an operand). transposeA: a is stored [k][m]; transposeB: b is stored [n][k].
   * c overlaps neither operand. scratch: `gemmF32Scratch(k)` bytes.
   */
  gemmF32(
    c: number,
    a: number,
    b: number,
    m: number,
    n: number,
    k: number,
    transposeA: number,
    transposeB: number,
    scale: number,
    batch: number,
    strideA: number,
    strideB: number,
    strideC: number,
    scratch: number,
  ): void;
  /**
   * Attention of every head of every sequence. Row i of head h of sequence s of q begins at element
   * (s * tokens + i) * strideQ + h * width of q, and likewise for k, v and o: column blocks of one [rows][3C] matrix
   * are as good as four arrays. p[sequences][heads][tokens][tokens] is written whole. `shape` is an `attentionShape`,
   * scratch `attentionScratch` bytes. Outputs overlap no input.
   */
  attention(o: number, p: number, q: number, k: number, v: number, shape: number, scratch: number): void;
  /** dq, dk, dv (strided places) from grad (the gradient of o, placed as o), q, k, v and p as attention left it. */
  attentionGrad(
    dq: number,
    dk: number,
    dv: number,
    grad: number,
    q: number,
    k: number,
    v: number,
    p: number,
    shape: number,
    scratch: number,
  ): void;
  /** out[count][cols] = rows of table[tableRows][cols] named by u32 index[count]. STATUS. */
  gather(out: number, table: number, index: number, count: number, tableRows: number, cols: number): number;
  /** dw[tableRows][cols] = +0, then dw[index[i]] += dy[i] in order. STATUS. */
  scatterAdd(dw: number, dy: number, index: number, count: number, tableRows: number, cols: number): number;

  // ---- Random bits (section 7)
  /** out[4] = Philox4x32-10 of a counter of four words under a key of two. */
  philox(out: number, c0: number, c1: number, c2: number, c3: number, key0: number, key1: number): void;
  /** u[e] = f32(h) * 2^-16 of element e < n of (key, node, purpose). */
  uniform16(u: number, n: number, key0: number, key1: number, node: number, purpose: number): void;

  // ---- Mined product (section 8)
  /**
   * q[m][k] (int8) and s[m] of the rows of A. transposed: A is the transpose of x[k][m], else A is x[m][k].
   * u: 0 rounds to nearest; else u[m*k] in A's row-major order rounds stochastically. A line with a non-finite absmax
   * gives q = 0 and s = NaN, so that its outputs are NaN.
   */
  quantiseRows(q: number, s: number, x: number, m: number, k: number, transposed: number, u: number): void;
  /** q[n][k] (int8, line j is column j) and s[n] of the columns of B[k][n]. transposed: B is the transpose of x[n][k].
   * u as above, in B's row-major order. */
  quantiseCols(q: number, s: number, x: number, k: number, n: number, transposed: number, u: number): void;
  /** c[m][n] = (f32(sum_l qa[i][l]*qb[j][l]) * sa[i]) * sb[j] + 0. scratch: `igemmScratch(m, n, k)` bytes. */
  igemm(
    c: number,
    qa: number,
    sa: number,
    qb: number,
    sb: number,
    m: number,
    n: number,
    k: number,
    scratch: number,
  ): void;

  // ---- Optimisers and checks (sections 9, 10)
  /** One AdamW step on theta, m, v from g, all [n]; c1 and c2 are the bias corrections of this step. */
  adamw(
    theta: number,
    m: number,
    v: number,
    g: number,
    n: number,
    lr: number,
    b1: number,
    b2: number,
    eps: number,
    wd: number,
    c1: number,
    c2: number,
  ): void;
  /** One SGD step. m may be 0 (no momentum is stored): then every element's momentum before the step is +0. */
  sgd(theta: number, m: number, g: number, n: number, lr: number, mu: number, wd: number, nesterov: number): void;
  /** 1 if any of n values has exponent field 255, else 0. */
  nonFinite(x: number, n: number): number;
}

/** The kernels and the memory they work on. A view is valid until the next `grow`: read it anew, never keep it. */
export interface Kernels extends KernelCalls {
  readonly buffer: ArrayBufferLike;
  readonly f32: Float32Array;
  readonly i8: Int8Array;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  /** Makes the memory at least `bytes` long, keeping its contents. RangeError beyond MAX_BYTES or the machine. */
  grow(bytes: number): void;
}

/** Bytes of scratch for `gemmF32`: a packed strip of eight columns of B. */
export function gemmF32Scratch(k: number): number {
  return 4 * 8 * k;
}

/** Bytes of scratch for `attention` and `attentionGrad`: four packed heads and one matrix of scores. */
export function attentionScratch(tokens: number, width: number): number {
  const paddedTokens = (tokens + 7) & ~7;
  const paddedWidth = (width + 7) & ~7;
  return 4 * (4 * paddedTokens * paddedWidth + tokens * tokens);
}

/** Bytes of scratch for `igemm`: A and a strip of sixteen columns of B, widened to 16 bits, with k padded to 8. */
export function igemmScratch(m: number, _n: number, k: number): number {
  return 2 * (((m + 1) & ~1) + 16) * ((k + 7) & ~7);
}
