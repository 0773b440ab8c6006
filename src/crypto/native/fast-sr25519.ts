/**
 * # Fast sr25519: signatures and VRFs by the reference's transcripts, with libsodium's multiplications.
 *
 * Always true: what it signs is byte for byte what the reference signs; a proof that it accepts satisfies the
 * reference's equations. What it does not accept, or cannot compute, the reference decides.
 */
import { ristretto255_hasher } from '@noble/curves/ed25519.js';
import { __tests } from '@scure/sr25519';
import { type Bytes, concat, equal, fromLittleEndian, littleEndian, toHex, utf8 } from '../../base/bytes.ts';
import { sr25519SignReference } from '../sr25519.ts';
import { referenceVrf, type Vrf } from '../vrf.ts';
import { type Lifted, ORDER, type Ristretto } from './ristretto.ts';

export type Sr25519Signer = (secret: Bytes, publicKey: Bytes, message: Bytes) => Bytes;

type Transcript = InstanceType<typeof __tests.SigningContext>;

const NOTHING = new Uint8Array(0);
const NO_ENTROPY = new Uint8Array(32);
const SUBSTRATE = utf8('substrate');
/** schnorrkel marks its signatures in the highest bit of s. */
const MARKER = 1n << 255n;
/** Authors of a few sessions; 64 bytes each. */
const MAX_KEYS = 1_024;

const transcript = (name: string): Transcript => new __tests.SigningContext(name);
/** Stored secrets hold 8 times the scalar (ed25519's clamping). */
const scalarOf = (secret: Bytes): bigint => fromLittleEndian(secret.subarray(0, 32)) >> 3n;
const nonceOf = (secret: Bytes): Bytes => secret.slice(32, 64);
const modOrder = (n: bigint): bigint => ((n % ORDER) + ORDER) % ORDER;

/** The signer that equals the reference's. */
export function fastSigner(group: Ristretto): Sr25519Signer {
  return (secret, publicKey, message) => {
    if (secret.length !== 64) return sr25519SignReference(secret, message);
    const t = transcript('SigningContext');
    t.label(SUBSTRATE);
    t.bytes(message);
    t.protoName('Schnorr-sig');
    t.appendMessage('sign:pk', publicKey);
    const r = t.witnessScalar('signing', NO_ENTROPY, [nonceOf(secret)]);
    const R = group.base(r);
    t.appendMessage('sign:R', R);
    const s = modOrder(t.challengeScalar('sign:c') * scalarOf(secret) + r);
    return concat(R, littleEndian(s | MARKER, 32));
  };
}

/** The VRF that equals the reference's. */
export function fastVrf(group: Ristretto): Vrf {
  const keys = new Map<string, Lifted>();
  const lifted = (publicKey: Bytes): Lifted => {
    const name = toHex(publicKey);
    const known = keys.get(name);
    if (known !== undefined) return known;
    const key = group.lift(publicKey);
    keys.set(name, key);
    const [oldest] = keys.keys();
    if (keys.size > MAX_KEYS && oldest !== undefined) keys.delete(oldest);
    return key;
  };
  return {
    sign(secret, publicKey, message) {
      const input = inputOf(message, publicKey);
      const point = group.lift(input);
      const scalar = scalarOf(secret);
      const output = group.times(scalar, point);
      const t = proofOf(input);
      const r = t.witnessScalar('proving\x000', NO_ENTROPY, [nonceOf(secret)]);
      const c = challenge(t, { R: group.base(r), Hr: group.times(r, point), publicKey, output });
      return { output, proof: concat(littleEndian(c, 32), littleEndian(modOrder(r - c * scalar), 32)) };
    },
    verify(signature, message, publicKey) {
      return holds(signature, message, publicKey) || referenceVrf.verify(signature, message, publicKey);
    },
  };

  function holds({ output, proof }: Parameters<Vrf['verify']>[0], message: Bytes, publicKey: Bytes): boolean {
    if (output.length !== 32 || proof.length !== 64 || publicKey.length !== 32) return false;
    const [c, s] = [fromLittleEndian(proof.subarray(0, 32)), fromLittleEndian(proof.subarray(32))];
    if (c >= ORDER || s >= ORDER) return false;
    try {
      const input = inputOf(message, publicKey);
      const R = group.sum(c, lifted(publicKey), s);
      const Hr = group.sum(c, group.lift(output), s, group.lift(input));
      return challenge(proofOf(input), { R, Hr, publicKey, output }) === c;
    } catch {
      // No point, the identity, or an edge of libsodium's: the reference will say.
      return false;
    }
  }
}

/** The encoding of the point that a key's output for a message is a multiple of. */
function inputOf(message: Bytes, publicKey: Bytes): Bytes {
  const t = transcript('SigningContext');
  t.label(NOTHING);
  t.bytes(message);
  t.appendMessage('vrf-nm-pk', publicKey);
  const point = ristretto255_hasher.deriveToCurve?.(t.challengeBytes('VRFHash', 64));
  if (point === undefined) throw new Error('noble maps no hashes to points');
  return point.toBytes();
}

function proofOf(input: Bytes): Transcript {
  const t = transcript('VRF');
  t.protoName('DLEQProof');
  t.appendMessage('vrf:h', input);
  return t;
}

function challenge(t: Transcript, of: { R: Bytes; Hr: Bytes; publicKey: Bytes; output: Bytes }): bigint {
  t.appendMessage('vrf:R=g^r', of.R);
  t.appendMessage('vrf:h^r', of.Hr);
  t.appendMessage('vrf:pk', of.publicKey);
  t.appendMessage('vrf:h^sk', of.output);
  return t.challengeScalar('prove');
}

/** Throws unless both sign and judge as the references do; a reference call takes 10 ms. */
export function proveEqual(vrf: Vrf, signer: Sr25519Signer, pair: { secret: Bytes; publicKey: Bytes }): void {
  const { secret, publicKey } = pair;
  for (const message of [NOTHING, new Uint8Array(300).fill(7)]) {
    const isSame = equal(signer(secret, publicKey, message), sr25519SignReference(secret, message));
    if (!isSame) throw new Error('signs other bytes than the reference');
    const drawn = referenceVrf.sign(secret, publicKey, message);
    const { output, proof } = vrf.sign(secret, publicKey, message);
    if (!equal(output, drawn.output) || !equal(proof, drawn.proof)) {
      throw new Error('draws other bytes than the reference');
    }
    if (!vrf.verify(drawn, message, publicKey)) throw new Error('refuses what the reference accepts');
    const changed = proof.map((byte, i) => (i === 40 ? byte ^ 1 : byte));
    if (vrf.verify({ output, proof: changed }, message, publicKey)) throw new Error('accepts a changed proof');
  }
}
