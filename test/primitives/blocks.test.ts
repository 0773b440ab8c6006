/** # Headers, blocks and justifications of real chains decode, re-encode to the same bytes, and hash as they must. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, fromHex, toHex, utf8 } from '../../src/base/bytes.ts';
import { verifySignature } from '../../src/crypto/verify.ts';
import { Block, Body } from '../../src/primitives/block.ts';
import { DigestItem, Engined, itemsOf } from '../../src/primitives/digest.ts';
import { Header, headerHash, headerJson } from '../../src/primitives/header.ts';
import { GrandpaJustification, GrandpaLog, Justifications, voteMessage } from '../../src/primitives/justification.ts';
import { testWithVectors } from '../vectors/substrate.ts';

interface WestendBlock {
  readonly number: number;
  readonly hash: string;
  readonly header: string;
  readonly body: readonly string[];
}

testWithVectors(
  '256 Westend blocks hash to their names and link to their parents',
  'derived/westend-blocks.json',
  (data) => {
    const { blocks } = data as { blocks: readonly WestendBlock[] };
    assert.equal(blocks.length, 256);
    let parent: string | undefined;
    for (const { number, hash, header: hex, body } of blocks) {
      const header = Header.dec(fromHex(hex));
      assert.equal(header.number, number);
      assert.equal(toHex(headerHash(header)), hash);
      if (parent !== undefined) assert.equal(toHex(header.parentHash), parent);
      parent = hash;
      const block = { header, extrinsics: body.map(fromHex) };
      assert.deepEqual(Block.dec(Block.enc(block)), block);
    }
  },
);

const SMOLDOT_HEADERS: readonly [string, number, string][] = [
  [
    'smoldot/header-kusama-7472481.scale',
    7_472_481,
    '0xfb5aaba0f01ee697dd296fb261dda5167d68b44aa5557f0f43293681fcf73e40',
  ],
  [
    'smoldot/header-polkadot-512271.scale',
    512_271,
    '0x53b47b7c47e5fd8e082afa8dd85d3113f2499ecbf4e1cbf08daf421b92a74727',
  ],
];
for (const [file, number, hash] of SMOLDOT_HEADERS) {
  testWithVectors(`${file} decodes and re-encodes to the same bytes`, file, (data) => {
    const header = Header.dec(data as Bytes);
    assert.equal(header.number, number);
    assert.deepEqual(Header.enc(header), data);
    assert.equal(toHex(headerHash(header)), hash);
  });
}

testWithVectors(
  'Polkadot 512271 schedules 197 authorities of weight 1',
  'smoldot/header-polkadot-512271.scale',
  (data) => {
    const { digest } = Header.dec(data as Bytes);
    const [item, ...more] = itemsOf(digest, 'Consensus', 'FRNK');
    assert.ok(item !== undefined && more.length === 0);
    const log = GrandpaLog.dec(item);
    assert.ok(log.type === 'ScheduledChange');
    assert.equal(log.value.next.length, 197);
    assert.ok(log.value.next.every(([, weight]) => weight === 1n));
    assert.equal(log.value.delay, 0);
    assert.deepEqual(GrandpaLog.enc(log), item);
  },
);

interface NodeAnswer {
  readonly result: JsonHeader & {
    readonly block?: { readonly extrinsics: readonly string[]; readonly header: JsonHeader };
  };
}
interface JsonHeader {
  readonly parentHash: string;
  readonly number: string;
  readonly stateRoot: string;
  readonly extrinsicsRoot: string;
  readonly digest: { readonly logs: readonly string[] };
}

function fromJson(json: JsonHeader): Header {
  return {
    parentHash: fromHex(json.parentHash),
    number: Number(json.number),
    stateRoot: fromHex(json.stateRoot),
    extrinsicsRoot: fromHex(json.extrinsicsRoot),
    digest: json.digest.logs.map((log) => DigestItem.dec(fromHex(log))),
  };
}

// Header.002 and SignedBlock.002 hold digest items as JSON objects of 2018, which no node sends any more.
const ANSWERS = [
  'Header.001',
  'Header.003',
  'Header.004',
  'SignedBlock.003.00',
  'SignedBlock.003.01',
  'SignedBlock.005',
];
for (const name of ANSWERS) {
  testWithVectors(`the answer ${name} of a node is said back word by word`, `polkadot-js-api/${name}.json`, (data) => {
    const { result } = data as NodeAnswer;
    const json = result.block?.header ?? result;
    const header = fromJson(json);
    assert.deepEqual(headerJson(header), json);
    assert.deepEqual(Header.dec(Header.enc(header)), header);
    const extrinsics = (result.block?.extrinsics ?? []).map(fromHex);
    assert.deepEqual(Body.dec(Body.enc(extrinsics)), extrinsics);
  });
}

interface JustificationVector {
  readonly block_hash: string;
  readonly block_number: number;
  readonly set_id: number;
  readonly round: number;
  readonly authorities: readonly string[];
  readonly justification: string;
}

testWithVectors(
  "all three signatures of Westend 512's justification verify",
  'gossamer/grandpa-justification-westend-512.json',
  (data) => {
    const vector = data as JustificationVector;
    const bytes = fromHex(vector.justification);
    const justification = GrandpaJustification.dec(bytes);
    assert.deepEqual(GrandpaJustification.enc(justification), bytes);
    assert.equal(justification.round, BigInt(vector.round));
    assert.equal(toHex(justification.commit.target.hash), vector.block_hash);
    assert.equal(justification.commit.target.number, vector.block_number);
    assert.deepEqual(justification.votesAncestries, []);
    const { precommits } = justification.commit;
    assert.deepEqual(precommits.map(({ id }) => toHex(id)).sort(), [...vector.authorities].sort());
    for (const { precommit, signature, id } of precommits) {
      const setId = BigInt(vector.set_id);
      const message = voteMessage('precommit', precommit, justification.round, setId);
      assert.ok(verifySignature('ed25519', signature, message, id));
      const elsewhere = voteMessage('precommit', precommit, justification.round, setId + 1n);
      assert.ok(!verifySignature('ed25519', signature, elsewhere, id), 'a vote of another set must not count');
    }
  },
);

test('a vote is signed over one byte of stage, hash, u32, u64 and u64', () => {
  const target = { hash: new Uint8Array(32).fill(7), number: 1 };
  const message = voteMessage('prevote', target, 2n, 3n);
  assert.equal(toHex(message), `0x00${'07'.repeat(32)}0100000002000000000000000300000000000000`);
  assert.equal(voteMessage('primaryPropose', target, 2n, 3n)[0], 2);
});

const engines = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((id) => String.fromCharCode(...id));
const engined = fc.record({ engine: engines, data: fc.uint8Array({ maxLength: 80 }) }, { noNullPrototype: true });
const items: fc.Arbitrary<DigestItem> = fc.oneof(
  engined.map((value) => ({ type: 'PreRuntime' as const, value })),
  engined.map((value) => ({ type: 'Seal' as const, value })),
  engined.map((value) => ({ type: 'Consensus' as const, value })),
  fc.uint8Array({ maxLength: 9 }).map((value) => ({ type: 'Other' as const, value })),
  fc.constant({ type: 'RuntimeEnvironmentUpdated' as const, value: undefined }),
);
const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 });
const headers: fc.Arbitrary<Header> = fc.record(
  {
    parentHash: hashes,
    number: fc.nat(),
    stateRoot: hashes,
    extrinsicsRoot: hashes,
    digest: fc.array(items, { maxLength: 5 }),
  },
  { noNullPrototype: true },
);

test('any header comes back, and a change of any byte changes its hash or makes it unreadable', () => {
  fc.assert(
    fc.property(headers, fc.nat(), fc.integer({ min: 1, max: 255 }), (header, at, flip) => {
      const bytes = Header.enc(header);
      assert.deepEqual(Header.dec(bytes), header);
      const index = at % bytes.length;
      bytes[index] = (bytes[index] as number) ^ flip;
      try {
        assert.notDeepEqual(headerHash(Header.dec(bytes)), headerHash(header));
      } catch (error) {
        if ((error as Error).name !== 'CodecError') throw error;
      }
    }),
  );
});

test('justifications keep their engines', () => {
  const list: Justifications = [
    { engine: 'FRNK', data: utf8('final') },
    { engine: 'pow_', data: utf8('opened') },
  ];
  assert.equal(toHex(Justifications.enc(list)).slice(0, 14), '0x0846524e4b14');
  assert.deepEqual(Justifications.dec(Justifications.enc(list)), list);
  assert.throws(() => Engined.enc({ engine: 'five!', data: utf8('') }), { name: 'Bug' });
});

test('a header with too many items is refused', () => {
  const digest: DigestItem[] = Array.from({ length: 65 }, () => ({ type: 'Other', value: new Uint8Array() }));
  const root = new Uint8Array(32);
  const header = { parentHash: root, number: 1, stateRoot: root, extrinsicsRoot: root, digest };
  assert.throws(() => Header.enc(header), { code: 'length' });
});
