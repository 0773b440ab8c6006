// The noised mined product (docs/spec/compute-pow.md): commitment, noise, tickets and the exact product in one pass.
export { pouwKeystream } from './pouw-chacha';
export { pouwMine, pouwPackB, pouwTicket } from './pouw-gemm';
export { pouwIndices, pouwLeaves, pouwLines, pouwPart } from './pouw-noise';
export { pouwHashes, pouwRoot } from './pouw-sha256';
