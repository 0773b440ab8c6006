/** # Our trie is everybody's trie: roots, extrinsics roots, node headers and proofs that others computed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, concat, fromHex, toHex, utf8 } from '../../src/base/bytes.ts';
import { Reader } from '../../src/codec/index.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { StateTree } from '../../src/state/tree.ts';
import { encodingOf, type StateVersion, seal, TrieNode } from '../../src/state/trie/node.ts';
import { proofReader, verifyProof } from '../../src/state/trie/proof.ts';
import { orderedRoot } from '../../src/state/trie/root.ts';
import { needsVectors, trieSet, vectorBytes, vectorJson, vectorText } from './vectors.ts';

type Entry = [Bytes, Bytes];

test('the w3f key sets have the expected roots in both state versions', needsVectors, () => {
  const { cases } = vectorJson<{
    cases: { file: string; keys: 'ascii' | 'hex'; pairs: number; rootV0: string; rootV1: string }[];
  }>('w3f-polkadot-tests/expected-roots.json');
  for (const c of cases) {
    const { keys, values } = trieSet(`w3f-polkadot-tests/${c.file}`);
    assert.equal(keys.length, c.pairs, c.file);
    const entries = keys.map((k, i): Entry => [c.keys === 'hex' ? fromHex(k) : utf8(k), utf8(values[i] ?? '')]);
    assert.equal(toHex(StateTree.from(entries, 0).root), c.rootV0, `${c.file} V0`);
    assert.equal(toHex(StateTree.from(entries, 1).root), c.rootV1, `${c.file} V1`);
  }
  assert.equal(cases.length, 11);
});

function rawGenesis(file: string): Record<string, string> {
  return vectorJson<{ genesis: { raw: { top: Record<string, string> } } }>(file).genesis.raw.top;
}

function rootOfStorage(top: Record<string, string>, version: StateVersion): Bytes {
  const entries = Object.entries(top).map(([k, v]): Entry => [fromHex(k), fromHex(v)]);
  return StateTree.from(entries, version).root;
}

/** A genesis header is: no parent, number 0, state root, root of no extrinsics, empty digest. */
function genesisHash(stateRoot: Bytes): string {
  return toHex(blake2_256(concat(new Uint8Array(32), Uint8Array.of(0), stateRoot, orderedRoot([]), Uint8Array.of(0))));
}

test('thirteen storages have the state roots and genesis hashes that smoldot computed', needsVectors, () => {
  const { cases } = vectorJson<{
    cases: {
      base: string;
      extra: Record<string, string>;
      stateVersion: 0 | 1;
      genesisHash: string;
      stateRoot: string;
    }[];
  }>('derived/genesis.json');
  for (const c of cases) {
    const root = rootOfStorage({ ...rawGenesis(c.base), ...c.extra }, c.stateVersion);
    assert.equal(toHex(root), c.stateRoot);
    assert.equal(genesisHash(root), c.genesisHash);
  }
  assert.equal(cases.length, 13);
});

test('live chains of both state versions have the genesis hashes that the world knows', needsVectors, () => {
  const { known_v0, known_v1 } = vectorJson<{
    known_v0: Record<string, string>;
    known_v1: Record<string, { genesisHash: string }>;
  }>('derived/genesis.json');
  for (const [file, hash] of Object.entries(known_v0)) {
    assert.equal(genesisHash(rootOfStorage(rawGenesis(file), 0)), hash, file);
  }
  for (const [file, { genesisHash: hash }] of Object.entries(known_v1)) {
    assert.equal(genesisHash(rootOfStorage(rawGenesis(file), 1)), hash, file);
  }
});

test('256 real blocks have the extrinsics root of their header', needsVectors, () => {
  const { blocks } = vectorJson<{ blocks: { hash: string; header: string; body: string[] }[] }>(
    'derived/westend-blocks.json',
  );
  let matches = 0;
  for (const block of blocks) {
    const header = new Reader(fromHex(block.header));
    header.take(32);
    header.compactU32();
    header.take(32);
    assert.equal(toHex(orderedRoot(block.body.map(fromHex))), toHex(header.take(32)));
    assert.equal(toHex(blake2_256(fromHex(block.header))), block.hash);
    matches++;
  }
  assert.equal(matches, 256);
});

test('ordered lists have the roots that kagome tests for', needsVectors, () => {
  const { cases } = vectorJson<{ cases: { values_ascii: string[]; root: string }[] }>('kagome/ordered_trie_hash.json');
  for (const c of cases) assert.equal(toHex(orderedRoot(c.values_ascii.map(utf8))), c.root);
  assert.equal(cases.length, 5);
});

test('node headers are those that kagome tests for', needsVectors, () => {
  const { cases } = vectorJson<{ cases: { kind: string; nibbles: number; header: string }[] }>(
    'kagome/node_header.json',
  );
  for (const c of cases) {
    const key = '\x00'.repeat(Math.ceil(c.nibbles / 2) + 1);
    const kid = seal(new TrieNode(key, 2 * key.length, ''), c.nibbles + 1, 0);
    const node =
      c.kind === 'leaf'
        ? new TrieNode(key, c.nibbles, '')
        : new TrieNode(key, c.nibbles, c.kind === 'branch' ? undefined : '', [kid], 1);
    const encoded = encodingOf(seal(node, 0, 0), 0, 0);
    const header = fromHex(c.header);
    assert.equal(toHex(encoded.subarray(0, header.length)), c.header, `${c.kind} ${c.nibbles}`);
  }
  assert.ok(cases.length >= 17);
});

/** Strings of the w3f host tests: one quoted string a line, comments name the host function before them. */
function hostOutputs(section: string, call: string): string[] {
  const text = vectorText('w3f-polkadot-tests/HostApiOutputs.jl.txt');
  const from = text.indexOf(`const ${section} = [`);
  const body = text.slice(from, text.indexOf('\n    ]', from));
  const start = call === '' ? 0 : body.indexOf(`# ${call}`);
  return [...body.slice(start).matchAll(/"([^"]*)"/g)].map((m) => m[1] as string);
}

/** Rows of strings: `const name = [ ["a", "b"], … ]`, closed by a bracket at the start of a line's text. */
function hostInputs(section: string): string[][] {
  const text = vectorText('w3f-polkadot-tests/HostApiInputs.jl.txt');
  const body = text.slice(text.indexOf(`const ${section} = [`) + `const ${section} = [`.length);
  const end = body.search(/\n(\t| {4})?\]/);
  return [...body.slice(0, end).matchAll(/\[([^\]]*)\]/g)].map((row) =>
    [...(row[1] as string).matchAll(/"([^"]*)"/g)].map((quoted) => quoted[1] as string),
  );
}

test('roots of the w3f host tests come out of our trie', needsVectors, () => {
  const pairs = hostInputs('prefix_key_value_key_value').map((row) => row.slice(1));
  const roots = hostOutputs('child_key_value_key_value', 'ext_default_child_storage_root_version_1');
  assert.ok(pairs.length === 10 && roots.length >= 10);
  pairs.forEach(([k1 = '', v1 = '', k2 = '', v2 = ''], i) => {
    const entries: Entry[] = [
      [utf8(k1), utf8(v1)],
      [utf8(k2), utf8(v2)],
    ];
    assert.equal(toHex(StateTree.from(entries, 1).root).slice(2), roots[i]?.slice(0, 64));
  });
  const rows = (section: string) => [1, 2, 3].map((i) => hostInputs(`${section}_${i}`));
  const [first = [], second = [], third = []] = rows('value');
  const ordered = hostOutputs('value_value_value', '');
  first.forEach(([v = ''], i) => {
    const list = [v, second[i]?.[0] ?? '', third[i]?.[0] ?? ''].map(utf8);
    assert.equal(toHex(orderedRoot(list)).slice(2), ordered[i]);
  });
  const tries = hostOutputs('key_value_key_value_key_value', '');
  const [one = [], two = [], three = []] = rows('key_value');
  one.forEach((pair, i) => {
    const entries = [pair, two[i] ?? [], three[i] ?? []].map(([k = '', v = '']): Entry => [utf8(k), utf8(v)]);
    assert.equal(toHex(StateTree.from(entries, 0).root).slice(2), tries[i]);
  });
  assert.ok(first.length === 10 && one.length === 10);
});

function scaleVec(bytes: Bytes): Bytes[] {
  const from = new Reader(bytes);
  const parts = Array.from({ length: from.compactU32() }, () => from.take(from.compactU32()));
  from.close();
  return parts;
}

test('a proof of Polkadot entries shows what smoldot reads from it', needsVectors, () => {
  const { state_root, proof } = vectorJson<{ state_root: string; proof: string[] }>('smoldot/example-proof.json');
  const root = fromHex(state_root);
  const parts = proof.map(fromHex);
  const key =
    '0x9c5d795d0297be56027a4b2464e3339763e6d3c1fb15805edfd024172ea4817d7081542596adb05d6140c170ac479edf7cfd5aa35357590acfe5d11a804d944e';
  const value = fromHex('0x0d1456fdda7b8ec7f9e5c794cd83194f0593e4ea');
  assert.deepEqual(verifyProof(root, parts, fromHex(key)), { ok: true, value });
  assert.deepEqual(verifyProof(root, parts, fromHex(`${key}25`)), { ok: true, value: undefined });
  const unproven = fromHex('0x9c5d795d0297be56027a4b2464e3339763e6d3c1fb15805edfd024172ea4817d7000');
  assert.deepEqual(verifyProof(root, parts, unproven), { ok: false, code: 'MissingNode' });
  assert.deepEqual(verifyProof(new Uint8Array(32), parts, fromHex(key)), {
    ok: false,
    code: 'MissingNode',
  });
});

test('922 keys under a prefix are proven by six proofs, and none beside them', needsVectors, () => {
  const vector = vectorJson<{
    prefix: string;
    trie_root_hash: string;
    proofs: string[];
    expected_entries: string[];
  }>('smoldot/prefix_proof.json');
  const root = fromHex(vector.trie_root_hash);
  const parts = vector.proofs.flatMap((proof) => scaleVec(fromHex(proof)));
  const read = proofReader(root, parts);
  for (const key of vector.expected_entries) {
    const proven = read(fromHex(key));
    // A key that exists has a value, or at least its hash, in the proof.
    assert.ok(proven.ok ? proven.value !== undefined : proven.code === 'MissingValue', key);
    const beside = read(fromHex(`${key}00`));
    assert.deepEqual(beside, { ok: true, value: undefined });
  }
  assert.equal(vector.expected_entries.length, 922);
});

test('the proofs of smoldot issue 2035 decode, and show the key that smoldot missed', needsVectors, () => {
  const root = fromHex('0xf72fa98efbf23c21d162a6690a2412d0b2e3d2e769cab46a7eb6004138ebeda7');
  const parts = scaleVec(vectorBytes('smoldot/proof_issue_2035.scale'));
  const prefix = '0x63f78c98723ddc9073523ef3beefda0ca95dac46c07a40d91506e7637ec4ba57';
  const proven = verifyProof(root, parts, fromHex(`${prefix}071ceff5b0f64d362e080000`));
  assert.ok(proven.ok && proven.value !== undefined);
  assert.deepEqual(verifyProof(root, parts, fromHex(prefix)), { ok: true, value: undefined });
});
