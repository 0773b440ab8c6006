/** # Ahead: what waits for import is verified by threads, and the chain is the same with and without them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import type { Bytes } from '../../src/base/bytes.ts';
import type { ReceivedBlock } from '../../src/consensus/import.ts';
import { type Keypair, keypairFromSeed } from '../../src/crypto/keypair.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { Ahead } from '../../src/node/ahead.ts';
import type { Claim } from '../../src/node/signatures.ts';
import { Verifiers } from '../../src/node/verifiers.ts';
import { verifyMultiSignature } from '../../src/primitives/account.ts';
import { type Era, eraBirth, mortalEra } from '../../src/primitives/era.ts';
import { signExtrinsic } from '../../src/primitives/extrinsic.ts';
import { LevelStore } from '../../src/state/level/level-store.ts';
import { PEER, type SlotBlock, SlotsChain, slotsSpec } from '../consensus/slots-chain.ts';
import { SlotsNode } from '../consensus/slots-node.ts';
import { lonelyNode, privateNet } from '../rpc/dev-node.ts';
import { transferCall, UNIT } from '../runtime/test-chain.ts';

await installFastPaths();

const spec = slotsSpec();
const SPENDERS: readonly Keypair[] = (['ed25519', 'sr25519', 'ecdsa'] as const).map((scheme) =>
  keypairFromSeed(scheme, new Uint8Array(32).fill(5)),
);
const EACH = 4;
const FUNDING = 2;

/** Grows a chain: first the spenders get something, then each block has transfers of all of them, mortal and not. */
function grow(chain: SlotsChain, count: number): SlotBlock[] {
  const blocks: SlotBlock[] = [];
  const [funder] = chain.validators;
  const { runtime, genesis } = chain.rules;
  const { specVersion, transactionVersion } = runtime.spec;
  const sign = (pair: Keypair, nonce: number, era: Era, call: Bytes): Bytes => {
    const birth = eraBirth(era, chain.store.best.number + 1);
    const birthHash = chain.store.canonical(birth) ?? genesis.hash;
    const implicit = { specVersion, transactionVersion, genesisHash: genesis.hash, birthHash };
    return signExtrinsic(call, { era, nonce, tip: 0n }, implicit, pair).bytes;
  };
  const transfer = (to: Keypair, amount: bigint): Bytes =>
    runtime.Call.enc(transferCall('transfer_keep_alive', to.accountId, amount));
  const keep = (extrinsics: readonly Bytes[]): void => {
    const block = chain.make({ extrinsics });
    chain.keep(block);
    blocks.push(block);
  };
  assert.ok(funder);
  SPENDERS.forEach((spender, i) => {
    keep([sign(funder.purse, i, { type: 'Immortal' }, transfer(spender, 100n * UNIT))]);
  });
  for (let done = 0; done < count; done++) {
    keep(
      SPENDERS.flatMap((spender) =>
        Array.from({ length: EACH }, (_, i) => {
          const era: Era = i % 2 === 0 ? { type: 'Immortal' } : mortalEra(4, chain.store.best.number);
          return sign(spender, done * EACH + i, era, transfer(SPENDERS[0] as Keypair, UNIT / 1_000n));
        }),
      ),
    );
  }
  return blocks;
}

const source = new SlotsChain(spec);
const blocks = grow(source, 4);
const received: readonly ReceivedBlock[] = blocks.map(({ header, opening, extrinsics }) => {
  return { header, opening, extrinsics, origin: PEER };
});
const SIGNED = blocks.reduce((sum, { extrinsics }) => sum + extrinsics.length - 1, 0);

/** A node without blocks, and what it keeps in mind. */
function newcomer() {
  const of = new SlotsChain(spec);
  const node = new SlotsNode(of);
  node.now = (blocks.at(-1) as SlotBlock).timestamp;
  return { node, rules: of.rules, added: mock.method(of.rules.signatures, 'add') };
}

/** Stands for threads: notes what it is offered. */
function listener(waiting = 0) {
  const offers: (readonly Claim[])[] = [];
  return {
    offers,
    verifiers: {
      waiting,
      offer(claims: readonly Claim[]) {
        offers.push(claims);
        return Promise.resolve();
      },
    },
  };
}

function aheadOf(verifiers: ConstructorParameters<typeof Ahead>[0]['verifiers']) {
  return new Ahead({ spec: source.rules.runtime.spec, store: source.newStore(), verifiers });
}

test('what is read ahead is exactly what import asks, so that it verifies nothing itself', async () => {
  const { node, rules, added } = newcomer();
  const { signatures: memory, runtime } = rules;
  const verifiers = new Verifiers({ threads: 1, memory, log: (_, text) => assert.fail(text) });
  after(() => verifiers.stop());
  const answered: (Promise<void> | undefined)[] = [];
  const offer = (claims: readonly Claim[]) => {
    answered.push(verifiers.offer(claims));
    return answered.at(-1);
  };
  const ahead = new Ahead({ spec: runtime.spec, store: node.store, verifiers: { waiting: 0, offer } });
  ahead.blocks(received);
  await Promise.all(answered);
  assert.equal(verifiers.verified, SIGNED);
  assert.equal(added.mock.callCount(), SIGNED);
  for (const block of received)
    assert.equal(
      node.give(block).some(({ type }) => type === 'refused'),
      false,
    );
  assert.equal(added.mock.callCount(), SIGNED, 'all were known');
  assert.deepEqual(node.store.best, source.store.best);
  const { node: inline, added: verified } = newcomer();
  for (const block of received) inline.give(block);
  assert.equal(verified.mock.callCount(), SIGNED, 'without threads each was verified once');
  assert.deepEqual(inline.store.best, source.store.best);
});

test('a block with a forged signature is refused as without threads, and so are transactions', async () => {
  const last = blocks.at(-1) as SlotBlock;
  const body = last.extrinsics.map((bytes, i) =>
    i === 3 ? bytes.map((byte, at) => (at === 60 ? byte ^ 1 : byte)) : bytes,
  );
  const { node, rules } = newcomer();
  const verifiers = new Verifiers({ threads: 1, memory: rules.signatures, log: (_, text) => assert.fail(text) });
  after(() => verifiers.stop());
  const ahead = new Ahead({ spec: rules.runtime.spec, store: node.store, verifiers });
  for (const block of received.slice(0, -1)) node.give(block);
  const before = verifiers.verified;
  await ahead.transactions(body.slice(1));
  assert.equal(verifiers.verified - before, body.length - 2);
  const view = node.store.view(node.store.best.hash);
  assert.ok(view);
  const forged = rules.runtime.validate(view, body[3] as Bytes, node.store.best);
  assert.deepEqual(forged.ok ? forged : forged.error, { type: 'Invalid', value: { type: 'BadProof' } });
});

test('blocks are read once, in pieces of 128 extrinsics, next ones first, with the one in work', () => {
  const { offers, verifiers } = listener();
  const ahead = aheadOf(verifiers);
  const [first] = received.slice(FUNDING + 1);
  assert.ok(first);
  const big: ReceivedBlock = { ...first, extrinsics: Array.from({ length: 300 }, () => first.extrinsics[1] as Bytes) };
  const queue = [big, { ...first }];
  ahead.blocks(queue);
  assert.deepEqual(
    offers.map(({ length }) => length),
    [128],
  );
  queue.shift();
  ahead.blocks(queue);
  ahead.blocks(queue);
  ahead.blocks(queue);
  // 44 of the big one and all of the next, whose first extrinsic nobody signed.
  assert.deepEqual(
    offers.map(({ length }) => length),
    [128, 128, 44 + EACH * 3],
  );
});

test('no more than 4,096 extrinsics that wait are read, whatever a block holds', () => {
  const { offers, verifiers } = listener();
  const ahead = aheadOf(verifiers);
  const [first] = received.slice(FUNDING + 1);
  assert.ok(first);
  const huge = { ...first, extrinsics: Array.from({ length: 10_000 }, () => first.extrinsics[1] as Bytes) };
  for (let i = 0; i < 100; i++) ahead.blocks([huge, { ...first }]);
  assert.equal(offers.flat().length, 4_096);
});

test('a few signatures are not worth a message, and are read once there are more', () => {
  const { offers, verifiers } = listener();
  const ahead = aheadOf(verifiers);
  const [one, two, three, many] = received;
  assert.ok(one && two && three && many);
  ahead.blocks([one, two, three]);
  assert.equal(offers.length, 0);
  assert.equal(ahead.transactions(many.extrinsics.slice(1, 8)), undefined);
  ahead.blocks([one, two, three, many]);
  assert.equal(offers.flat().length, 3 + EACH * 3);
});

test('bytes that are no block and no extrinsic offer nothing, and cost nobody else his place', () => {
  const { offers, verifiers } = listener();
  const ahead = aheadOf(verifiers);
  const many = received.at(-1) as ReceivedBlock;
  const noise = Array.from({ length: 20 }, (_, i) => new Uint8Array(i).fill(i));
  ahead.blocks([{ ...many, header: new Uint8Array(7) }, { ...many, extrinsics: noise }, many]);
  const claims = offers.flat();
  assert.equal(claims.length, EACH * 3);
  const sound = claims.filter(({ signature, message, account }) => verifyMultiSignature(signature, message, account));
  assert.ok(sound.length > 0);
});

test('while many transactions wait no more are held back', () => {
  const many = Array.from({ length: 40 }, () => received.at(-1)?.extrinsics[1] as Bytes);
  const [full, empty] = [listener(2_048), listener(2_030)];
  assert.equal(aheadOf(full.verifiers).transactions(many), undefined);
  assert.ok(aheadOf(empty.verifiers).transactions(many));
  assert.equal(empty.offers.flat().length, 18);
});

test('a node that syncs with threads ends on the same state, and they had a part in it', {
  timeout: 120_000,
}, async () => {
  const dirs = [1, 2].map(() => mkdtempSync(join(tmpdir(), 'maitoken-ahead-')));
  const [from, to] = dirs as [string, string];
  const dir = join(from, 'chains', spec.id);
  const stored = await LevelStore.open({ dir, genesis: source.rules.genesis });
  const { store } = source;
  Object.assign(source, { store: stored });
  for (const block of blocks) source.keep(block);
  Object.assign(source, { store });
  await stored.flush(true);
  await stored.close();
  const p2p = (key: number) => privateNet(key);
  const common = { spec, specSource: 'slots' };
  const old = await lonelyNode(from, { ...common, p2p: p2p(11) });
  const prometheus = { port: 0, host: '127.0.0.1', required: true };
  const young = await lonelyNode(to, { ...common, p2p: p2p(12), tmp: true, verifyWorkers: 1, prometheus });
  try {
    old.network.addReserved(young.network.addresses()[0] ?? '');
    young.network.addReserved(old.network.addresses()[0] ?? '');
    const goal = source.store.best.number;
    while (young.store.best.number < goal) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(young.store.best, source.store.best);
    assert.deepEqual(young.store.view(young.store.best.hash)?.root, source.store.view(source.store.best.hash)?.root);
    const verified = async (): Promise<number> => {
      const text = await (await fetch(`http://127.0.0.1:${young.metricsPort}/metrics`)).text();
      return Number(/^verify_signatures_valid_total\S* (\d+)/m.exec(text)?.[1]);
    };
    // They may answer after the import was done.
    while ((await verified()) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    await young.stop();
    await old.stop();
    for (const one of dirs) rmSync(one, { recursive: true, force: true });
  }
});
