/**
 * # Install: puts fast hashes and signatures in place of the plain ones, each only after it proved itself equal.
 *
 * Always true: a fast path that cannot be loaded, throws, or differs on one input is left out, and the report says
 * why; the caller logs the report. Nothing but speed may depend on what is installed here.
 */
import { randomBytes } from 'node:crypto';
import { type Bytes, equal, toHex } from '../../base/bytes.ts';
import { activeKeystream, chacha20KeystreamReference, type Keystream } from '../chacha20.ts';
import { ed25519PublicKey, ed25519SignReference } from '../ed25519.ts';
import { activeHashes, referenceHashes } from '../hash.ts';
import { activeSigner } from '../keypair.ts';
import { sr25519Expand, sr25519PublicKey, sr25519SignReference } from '../sr25519.ts';
import { activeVerifiers, type Verifier } from '../verify.ts';
import { activeVrf } from '../vrf.ts';
import { fastSigner, fastVrf, proveEqual } from './fast-sr25519.ts';
import { type Ed25519Signer, LOADERS, type Loaders } from './loaders.ts';
import { ED25519_PROBES, type Probe, SR25519_PROBES } from './probes.ts';

export interface FastPath {
  readonly name: string;
  readonly active: 'fast' | 'reference';
  /** Why the reference stays, in words. */
  readonly reason?: string;
}

interface Candidate {
  readonly name: string;
  /** Loads, compares, and gives the step that installs; throws with the reason otherwise. */
  prove(loaders: Loaders): Promise<() => void>;
}

/** Proves and installs every fast path. `loaders` are where they come from; a test hands in faulty ones. */
export async function installFastPaths(loaders: Loaders = LOADERS): Promise<readonly FastPath[]> {
  const report: FastPath[] = [];
  for (const { name, prove } of CANDIDATES) {
    try {
      const install = await prove(loaders);
      install();
      report.push({ name, active: 'fast' });
    } catch (error) {
      // Whatever a foreign module throws, the reference goes on: this is the one place where that is right.
      report.push({ name, active: 'reference', reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return report;
}

const CANDIDATES: readonly Candidate[] = [
  {
    name: 'blake2b (sodium-native)',
    async prove(loaders) {
      const fast = await loaders.blake2();
      for (const size of [8, 16, 32, 64]) {
        sameBytes(
          (data) => fast(data, size),
          (data) => referenceHashes.blake2(data, size),
        );
      }
      return () => Object.assign(activeHashes, { blake2: fast });
    },
  },
  {
    name: 'sha256 (node:crypto)',
    async prove(loaders) {
      const fast = await loaders.sha256();
      sameBytes(fast, referenceHashes.sha256);
      return () => Object.assign(activeHashes, { sha256: fast });
    },
  },
  {
    name: 'blake3 (hash-wasm)',
    async prove(loaders) {
      const { blake3, blake3Keyed } = await loaders.blake3();
      sameBytes(blake3, referenceHashes.blake3);
      for (const key of [new Uint8Array(32), random(32), random(32)]) {
        sameBytes(
          (data) => blake3Keyed(key, data),
          (data) => referenceHashes.blake3Keyed(key, data),
        );
      }
      return () => Object.assign(activeHashes, { blake3, blake3Keyed });
    },
  },
  {
    name: 'twox64 (xxhash-wasm)',
    async prove(loaders) {
      const fast = await loaders.twox64();
      for (const seed of [0, 1, 3]) {
        sameBytes(
          (data) => fast(data, seed),
          (data) => referenceHashes.twox64(data, seed),
        );
      }
      return () => Object.assign(activeHashes, { twox64: fast });
    },
  },
  {
    name: 'chacha20 (node:crypto)',
    async prove(loaders) {
      const fast = await loaders.chacha20();
      sameKeystream(fast);
      return () => Object.assign(activeKeystream, { chacha20: fast });
    },
  },
  {
    name: 'ed25519 (sodium-native, ZIP-215)',
    async prove(loaders) {
      const fast = await loaders.ed25519();
      const seed = random(32);
      const sign = (message: Bytes) => ed25519SignReference(seed, message);
      sameVerdicts(fast, [...ED25519_PROBES, ...fresh(sign, ed25519PublicKey(seed))]);
      return () => Object.assign(activeVerifiers, { ed25519: fast });
    },
  },
  {
    name: 'ed25519 signing (sodium-native)',
    async prove(loaders) {
      const fast = await loaders.ed25519Signer();
      sameSignatures(fast);
      return () => Object.assign(activeSigner, { ed25519: fast });
    },
  },
  {
    name: 'sr25519 (schnorrkel-wasm)',
    async prove(loaders) {
      const fast = await loaders.sr25519();
      const secret = sr25519Expand(random(32));
      const sign = (message: Bytes) => sr25519SignReference(secret, message);
      sameVerdicts(fast, [...SR25519_PROBES, ...fresh(sign, sr25519PublicKey(secret))]);
      return () => Object.assign(activeVerifiers, { sr25519: fast });
    },
  },
  {
    name: 'sr25519 signing and VRF (sodium-native)',
    async prove(loaders) {
      const group = await loaders.sr25519Group();
      const [signer, vrf] = [fastSigner(group), fastVrf(group)];
      const secret = sr25519Expand(random(32));
      proveEqual(vrf, signer, { secret, publicKey: sr25519PublicKey(secret) });
      return () => {
        Object.assign(activeSigner, { sr25519: signer });
        Object.assign(activeVrf, vrf);
      };
    },
  },
];

// Around the block, chunk and lane sizes of the hashes: 32 (XXH64), 64 (SHA-256), 128 (BLAKE2b), 1024 (BLAKE3).
const SIZES = [0, 1, 3, 4, 7, 8, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200, 1_023, 1_024, 1_025, 2_100];

function sameBytes(fast: (data: Bytes) => Bytes, reference: (data: Bytes) => Bytes): void {
  // Views at an odd offset and Buffers, as callers hand them over.
  const inputs = SIZES.map((size) => random(size + 3).subarray(3));
  inputs.push(Buffer.from(random(100)).subarray(9), new Uint8Array(64), new Uint8Array(128).fill(0xff));
  // All answers first: an answer that lives in reused memory is overwritten by the next one.
  const answers = inputs.map(fast);
  inputs.forEach((input, i) => {
    const answer = answers[i];
    if (answer?.constructor !== Uint8Array) throw new Error('the answer is no plain Uint8Array');
    if (!equal(answer, reference(input))) throw new Error(`differs from the reference on ${described(input)}`);
  });
}

function sameKeystream(fast: Keystream): void {
  for (const length of [0, 1, 64, 65, 2_047, 2_048, 5_000]) {
    const [key, nonce] = [random(32), random(12)];
    const answer = fast(key, nonce, length);
    if (answer.constructor !== Uint8Array || !equal(answer, chacha20KeystreamReference(key, nonce, length))) {
      throw new Error(`differs from the reference on ${length} bytes under key ${toHex(key)}`);
    }
  }
}

function sameVerdicts(fast: Verifier, probes: readonly Probe[]): void {
  for (const { name, signature, message, publicKey, valid } of probes) {
    if (fast(signature, message, publicKey) !== valid) throw new Error(`differs from the reference on: ${name}`);
  }
}

function sameSignatures(fast: Ed25519Signer): void {
  for (const message of [new Uint8Array(), random(1), random(300)]) {
    const seed = random(32);
    const answer = fast(seed, ed25519PublicKey(seed), message);
    if (answer.constructor !== Uint8Array || !equal(answer, ed25519SignReference(seed, message))) {
      throw new Error(`differs from the reference on a message of ${message.length} bytes`);
    }
  }
}

/** Signatures that no table can foresee: empty and longer messages, whole and with one bit changed. */
function fresh(sign: (message: Bytes) => Bytes, publicKey: Bytes): readonly Probe[] {
  const message = random(100);
  const signature = sign(message);
  const changed = signature.slice();
  changed[33] = (changed[33] as number) ^ 4;
  const name = `a fresh signature by ${toHex(publicKey)} of ${toHex(message)}`;
  return [
    { name, signature, message, publicKey, valid: true },
    { name: `${name}, one bit changed`, signature: changed, message, publicKey, valid: false },
    {
      name: `no message, ${name}`,
      signature: sign(new Uint8Array()),
      message: new Uint8Array(),
      publicKey,
      valid: true,
    },
  ];
}

function random(size: number): Bytes {
  return new Uint8Array(randomBytes(size));
}

function described(input: Bytes): string {
  return input.length <= 64 ? toHex(input) : `${input.length} bytes that begin with ${toHex(input.subarray(0, 32))}`;
}
