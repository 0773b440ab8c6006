/** # Verifiers: threads that agree with this one, and that nobody misses when they fail. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { littleEndian } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { keypairFromSeed } from '../../src/crypto/keypair.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { type Claim, SignatureMemory } from '../../src/node/signatures.ts';
import { Verifiers, type VerifiersParts } from '../../src/node/verifiers.ts';
import { type MultiSignature, multiSign, verifyMultiSignature } from '../../src/primitives/account.ts';

await installFastPaths();

const SCHEMES = ['ed25519', 'sr25519', 'ecdsa'] as const;
const FAULTS = ['none', 'none', 'signature', 'message', 'account', 'scheme'] as const;
const OTHER = { Ed25519: 'Sr25519', Sr25519: 'Ed25519', Ecdsa: 'Ecdsa' } as const;

function changed(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, i) => (i === at % bytes.length ? byte ^ 1 : byte));
}

const claim = fc
  .record({
    scheme: fc.constantFrom(...SCHEMES),
    key: fc.nat(3),
    message: fc.uint8Array({ minLength: 1, maxLength: 256 }),
    fault: fc.constantFrom(...FAULTS),
    at: fc.nat(255),
  })
  .map(({ scheme, key, message, fault, at }): Claim => {
    const signer = keypairFromSeed(scheme, blake2_256(Uint8Array.of(key)));
    const { type, value } = multiSign(signer, message);
    return {
      signature: {
        type: fault === 'scheme' ? OTHER[type] : type,
        value: fault === 'signature' ? changed(value, at) : value,
      } as MultiSignature,
      message: fault === 'message' ? changed(message, at) : message,
      account: fault === 'account' ? changed(signer.accountId, at) : signer.accountId,
    };
  });

/** Claims that differ, and that nobody could prove. */
function falseClaims(count: number): Claim[] {
  return Array.from({ length: count }, (_, i) => ({
    signature: { type: 'Ed25519', value: new Uint8Array(64) },
    message: littleEndian(BigInt(i), 4),
    account: new Uint8Array(32).fill(7),
  }));
}

function verifiersWith(parts: Partial<VerifiersParts> = {}) {
  const memory = new SignatureMemory();
  const told: string[] = [];
  const verifiers = new Verifiers({ threads: 1, memory, log: (_, text) => told.push(text), ...parts });
  return { memory, told, verifiers };
}

/** A module for threads. */
function threadOf(text: string): URL {
  const source = `import { parentPort } from 'node:worker_threads'; ${text}`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

const honest = verifiersWith({ threads: 2 });
after(() => honest.verifiers.stop());

test('what threads find valid is what this thread finds valid, whatever the scheme and the fault', async () => {
  const { memory, told, verifiers } = honest;
  const seen = { valid: 0, invalid: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(claim, { minLength: 1, maxLength: 70 }), async (claims) => {
      await verifiers.offer(claims);
      for (const one of claims) {
        const isValid = verifyMultiSignature(one.signature, one.message, one.account);
        assert.equal(memory.has(memory.name(one) as string), isValid);
        seen[isValid ? 'valid' : 'invalid']++;
      }
    }),
    { numRuns: 12 },
  );
  assert.ok(seen.valid > 0 && seen.invalid > 0);
  assert.deepEqual(told, []);
  assert.equal(verifiers.waiting, 0);
});

test('what is known or under way is not sent again', async () => {
  const { verifiers } = honest;
  const signer = keypairFromSeed('sr25519', blake2_256(Uint8Array.of(9)));
  const message = Uint8Array.of(1, 2, 3);
  const one: Claim = { signature: multiSign(signer, message), message, account: signer.accountId };
  const first = verifiers.offer([one, one]);
  assert.equal(verifiers.waiting, 1);
  assert.equal(verifiers.offer([one]), undefined);
  await first;
  assert.equal(verifiers.offer([one]), undefined);
});

for (const [what, text, why] of [
  ['dies', "parentPort.on('message', () => process.exit(1));", /it ended/],
  ['throws', "parentPort.on('message', () => { throw new Error('broken'); });", /broken/],
  ['cannot even start', 'nonsense(', /./],
  ['says too little', "parentPort.on('message', () => parentPort.postMessage(new Uint8Array(1)));", /fits no question/],
  ['says no bytes', "parentPort.on('message', () => parentPort.postMessage([1, 1, 1]));", /fits no question/],
  ['speaks unasked', 'parentPort.postMessage(new Uint8Array(0)); parentPort.on("message", () => {});', /fits no/],
  ['hangs', "parentPort.on('message', () => { for (;;); });", /no answer/],
] as const) {
  test(`a thread that ${what} is replaced three times and then missed by nobody`, async () => {
    const hangMs = what === 'hangs' ? 10 : 60_000;
    const { memory, told, verifiers } = verifiersWith({ thread: threadOf(text), hangMs });
    const claims = falseClaims(40);
    for (let tries = 0; ; tries++) {
      assert.ok(tries <= 4);
      const waiting = verifiers.offer(claims);
      if (waiting === undefined) break;
      await waiting;
      assert.ok(claims.every((one) => !memory.has(memory.name(one) as string)));
    }
    assert.equal(told.length, 4);
    assert.match(told[0] as string, why);
    assert.equal(verifiers.waiting, 0);
    await verifiers.stop();
  });
}

test('no more than 8,192 claims wait, a thread is asked for 128 of them at once, and a stop lets all go', async () => {
  const channel = new BroadcastChannel('verifiers test');
  const text = `const channel = new BroadcastChannel('verifiers test');
    parentPort.on('message', () => channel.postMessage('asked'));`;
  const { verifiers } = verifiersWith({ threads: 2, thread: threadOf(text) });
  let asked = 0;
  const all = new Promise<void>((resolve) => {
    channel.onmessage = () => ++asked === 8 && resolve();
  });
  const waiting = verifiers.offer(falseClaims(10_000));
  assert.equal(verifiers.waiting, 8_192);
  assert.equal(verifiers.offer(falseClaims(10_001).slice(10_000)), undefined);
  await all;
  await verifiers.stop();
  await waiting;
  assert.equal(asked, 8, '4 messages of 32 for each of the two');
  assert.equal(verifiers.waiting, 0);
  assert.equal(verifiers.offer(falseClaims(1)), undefined);
  channel.close();
});
