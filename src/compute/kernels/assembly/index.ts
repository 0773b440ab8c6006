// The module's exports: the canonical engine's kernels (class i7) and the noised mined product.
export { staticEnd } from './memory';
export * from './pouw';
