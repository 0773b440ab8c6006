/**
 * # Fast tree: hashes blobs and states by the kernels where that is faster than the host.
 *
 * Always true: a hasher that differs from the plain one on a probe hashes nothing; only time decides between equals.
 */
import { equal } from '../../base/bytes.ts';
import { sha256 } from '../../crypto/hash.ts';
import { RESERVED_BYTES } from '../canonical/kernels.ts';
import { installTreeRoot, plainTreeRoot } from '../merkle.ts';
import { fasterLeafHash } from '../pouw/leaf-hash.ts';
import { TreeHasher } from '../pouw/tree-hasher.ts';
import { loadKernels } from './kernels-file.ts';

/** Lengths of probes: less than a leaf, a leaf, a group and a bit, a chunk. */
const PROBES = [1, 4_096, 33 * 4_096 + 5, 64 * 4_096];

/** Chooses for this process; takes about 50 ms. `warn` hears of a fallback that no clock explains. */
export function installFastTree(warn: (text: string) => void): void {
  try {
    const kernels = loadKernels();
    const hostIsFaster = fasterLeafHash(kernels, RESERVED_BYTES, sha256, () => performance.now()) !== undefined;
    if (hostIsFaster) return;
    const hasher = new TreeHasher(kernels, RESERVED_BYTES);
    const differs = PROBES.some((length) => {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
      return !equal(hasher.root(bytes), plainTreeRoot(bytes));
    });
    if (differs) warn('blobs: the kernels hash otherwise than the reference; the reference hashes');
    else installTreeRoot((bytes) => hasher.root(bytes));
  } catch (error) {
    warn(`blobs: the reference hashes: ${(error as Error).message}`);
  }
}
