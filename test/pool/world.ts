/** # World: a chain of accounts and nonces, small enough to say what the pool should do. */
import { type Bytes, concat, equal, toHex, utf8 } from '../../src/base/bytes.ts';
import { compact, compactU32, bytes as lengthPrefixed } from '../../src/codec/index.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { Pool, type PoolBlock, type PoolEffect, type PoolWorld } from '../../src/pool/pool.ts';
import { MultiAddress, MultiSignature } from '../../src/primitives/account.ts';
import { decodeExtrinsic, type Extrinsic } from '../../src/primitives/extrinsic.ts';
import type { InvalidName } from '../../src/runtime/errors.ts';
import type { Validity } from '../../src/runtime/runtime.ts';
import { nonceTag } from '../../src/runtime/validity.ts';

export const account = (name: string): Bytes => blake2_256(utf8(name));

export interface SignedSpec {
  readonly who: string;
  readonly nonce: number;
  readonly tip?: bigint;
  /** Bytes of call; tells extrinsics of one nonce apart. */
  readonly call?: Bytes;
}

/** A well-formed signed extrinsic; the signature is nobody's, since this world does not look at it. */
export function signed(spec: SignedSpec): Bytes {
  const signature = MultiSignature.enc({ type: 'Ed25519', value: new Uint8Array(64) });
  return lengthPrefixed.enc(
    concat(
      Uint8Array.of(0x84),
      MultiAddress.enc({ type: 'Id', value: account(spec.who) }),
      signature,
      Uint8Array.of(0),
      compactU32.enc(spec.nonce),
      compact.enc(spec.tip ?? 0n),
      spec.call ?? Uint8Array.of(1, 2, 3),
    ),
  );
}

/** A bare extrinsic whose provides-tag is its first 8 bytes. */
export function bare(tag: string, rest = ''): Bytes {
  return lengthPrefixed.enc(concat(Uint8Array.of(0x04), utf8(tag.padEnd(8)), utf8(rest)));
}

export class World implements PoolWorld {
  readonly nonces = new Map<string, number>();
  readonly usedTags = new Set<string>();
  /** Extrinsics that the chain refuses, with the reason. */
  readonly refused = new Map<string, InvalidName>();
  longevity = 64n;
  number = 0;
  validations = 0;
  readonly pool: Pool = new Pool(this);

  bestNumber(): number {
    return this.number;
  }

  validate(extrinsic: Bytes): Validity {
    this.validations++;
    const invalid = (reason: InvalidName): Extract<Validity, { ok: false }> => ({
      ok: false,
      malformed: false,
      error: { type: 'Invalid', value: { type: reason } },
    });
    const reason = this.refused.get(toHex(extrinsic));
    if (reason !== undefined) return invalid(reason);
    const decoded = tryDecode(extrinsic);
    if (decoded === undefined) return { ...invalid('Call'), malformed: true };
    const { signed: by, call } = decoded;
    if (by === undefined) {
      const tag = call.subarray(0, 8);
      if (this.usedTags.has(toHex(tag))) return invalid('Stale');
      return { ok: true, ...this.valid(1n), provides: [tag], requires: [] };
    }
    const who = by.address.value as Bytes;
    const next = this.nonces.get(toHex(who)) ?? 0;
    const { nonce, tip } = by.extra;
    if (nonce < next) return invalid('Stale');
    const requires = nonce > next ? [nonceTag(who, nonce - 1)] : [];
    return { ok: true, ...this.valid(tip), requires, provides: [nonceTag(who, nonce)] };
  }

  /** Makes these extrinsics the next block and tells the pool. */
  enact(extrinsics: readonly Bytes[]): { readonly block: PoolBlock; readonly effects: readonly PoolEffect[] } {
    const block = this.apply(extrinsics, +1);
    return { block, effects: this.pool.step(0, { type: 'head', retracted: [], enacted: [block] }) };
  }

  /** Replaces the last block by another. */
  replace(old: PoolBlock, extrinsics: readonly Bytes[]): readonly PoolEffect[] {
    this.apply(old.extrinsics, -1);
    const block = this.apply(extrinsics, +1);
    return this.pool.step(0, { type: 'head', retracted: [old], enacted: [block] });
  }

  private apply(extrinsics: readonly Bytes[], by: 1 | -1): PoolBlock {
    this.number += by;
    for (const extrinsic of extrinsics) {
      const { signed: signer, call } = decodeExtrinsic(extrinsic);
      if (signer === undefined) {
        if (by > 0) this.usedTags.add(toHex(call.subarray(0, 8)));
        else this.usedTags.delete(toHex(call.subarray(0, 8)));
        continue;
      }
      const key = toHex(signer.address.value as Bytes);
      this.nonces.set(key, (this.nonces.get(key) ?? 0) + by);
    }
    return { hash: blake2_256(concat(...extrinsics, Uint8Array.of(this.number))), number: this.number, extrinsics };
  }

  private valid(priority: bigint) {
    return { priority, longevity: this.longevity, propagate: true };
  }
}

function tryDecode(extrinsic: Bytes): Extrinsic | undefined {
  try {
    return decodeExtrinsic(extrinsic);
  } catch {
    return undefined;
  }
}

let requests = 0;

/** Submits and gives the answer, with the notices that came after it. */
export function submit(
  world: World,
  extrinsic: Bytes,
  options: { readonly watch?: string; readonly now?: number } = {},
): { readonly code: number | undefined; readonly data: string | undefined; readonly effects: readonly PoolEffect[] } {
  const watch = options.watch === undefined ? {} : { watch: options.watch };
  const effects = world.pool.step(options.now ?? 0, { type: 'submit', request: ++requests, extrinsic, ...watch });
  const answer = effects.find((effect) => effect.type === 'answer');
  if (answer === undefined) throw new Error('no answer');
  const error = 'error' in answer.outcome ? answer.outcome.error : undefined;
  return { code: error?.code, data: error?.data, effects };
}

/** The notices of one watch as short words. */
export function notices(effects: readonly PoolEffect[], watch: string): string[] {
  return effects.flatMap((effect) => (effect.type === 'notice' && effect.watch === watch ? [effect.event.type] : []));
}

/** Where each of these stands in the order of readiness; -1 when it is not ready. */
export function places(world: World, extrinsics: readonly Bytes[]): number[] {
  const ready = [...world.pool.ready()];
  return extrinsics.map((extrinsic) => ready.findIndex(({ bytes }) => equal(bytes, extrinsic)));
}
