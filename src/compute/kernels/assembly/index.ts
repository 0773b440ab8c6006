// The module's exports: the canonical engine's kernels (class i7) and the noised mined product.
export { attention, attentionGrad } from './attention';
export { binary, binaryColumn, binaryRow, binaryScalar, gradient, unary, where } from './elementwise';
export { igemm } from './igemm';
export { gemmF32 } from './matmul';
export { staticEnd } from './memory';
export { crossEntropy, layerNorm, layerNormGrad, mse, softmax, softmaxGrad } from './normalise';
export { adamw, nonFinite, sgd } from './optimise';
export * from './pouw';
export { quantiseCols, quantiseRows } from './quantise';
export { philox, uniform16 } from './random';
export { columnSum, rowMax, rowMean, rowSum, squareChunks, sum, sumAxes } from './sums';
export { copy, gather, scatterAdd } from './tables';
