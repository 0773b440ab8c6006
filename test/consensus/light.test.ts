/** # Light client: it believes what genesis leads to and nothing else, and it needs nothing that a browser lacks. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { must } from '../../src/base/assert.ts';
import { type Bytes, toHex, utf8 } from '../../src/base/bytes.ts';
import { LightClient, readProven } from '../../src/consensus/light/light.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { Header } from '../../src/primitives/header.ts';
import { FinalityProof } from '../../src/primitives/justification.ts';
import { WarpProof } from '../../src/primitives/warp.ts';
import { StateTree } from '../../src/state/tree.ts';
import { justified, madeChain, votersOf } from './finality/sets.ts';

await installFastPaths();

const STATE = StateTree.from(
  Array.from({ length: 200 }, (_, i): [Bytes, Bytes] => [blake2_256(utf8(`key ${i}`)), utf8(`value ${i}`)]),
);
const KEY = blake2_256(utf8('key 7'));
const CHAIN = madeChain({ blocks: 38, session: 10, stateRoot: STATE.root });
const at = (number: number): Bytes => must(CHAIN.headers[number], 'a header');
const warp = WarpProof.enc({ fragments: [...CHAIN.proof], finished: true });

/** As `grandpa_proveFinality` answers for a height, with a justification of a block above it. */
function finality(number: number, justifiedAt: number, set: number): Bytes {
  const unknownHeaders = Array.from({ length: justifiedAt - number }, (_, i) => Header.dec(at(number + 1 + i)));
  const justification = justified(at(justifiedAt), votersOf(`set ${set}`), BigInt(set));
  return FinalityProof.enc({ block: blake2_256(at(justifiedAt)), justification, unknownHeaders });
}

const said = (verdict: ReturnType<LightClient['prove']>): string | number =>
  verdict.ok ? verdict.header.number : verdict.fault;

test('from genesis through all sets to the newest block, and to a value of its state', () => {
  const client = new LightClient(CHAIN.begin);
  const verdict = client.follow(warp);
  assert.ok(verdict.ok);
  assert.equal(verdict.header.number, 38);
  assert.equal(client.voters.setId, 3n);
  assert.deepEqual(readProven(verdict.header, STATE.prove([KEY]), KEY), { ok: true, value: utf8('value 7') });
  assert.deepEqual(readProven(verdict.header, STATE.prove([utf8('none')]), utf8('none')), {
    ok: true,
    value: undefined,
  });
  assert.equal(readProven(verdict.header, STATE.prove([KEY]).slice(1), KEY).ok, false);
});

test('a block is final by the headers that lead from it to a justified one', () => {
  const client = new LightClient(CHAIN.begin);
  assert.equal(said(client.prove(at(3), finality(3, 8, 0))), 3);
  assert.equal(said(client.prove(at(8), finality(8, 10, 0))), 8);
  assert.equal(client.voters.setId, 1n, 'the justified block ends the set');
  assert.equal(said(client.prove(at(14), finality(14, 14, 1))), 14);
});

test('headers that do not lead there, votes of another set, and what lies beyond the end of a set are refused', () => {
  const client = new LightClient(CHAIN.begin);
  const proof = FinalityProof.dec(finality(3, 8, 0));
  const gap = FinalityProof.enc({ ...proof, unknownHeaders: proof.unknownHeaders.toSpliced(1, 1) });
  assert.equal(said(client.prove(at(3), gap)), 'BrokenHeaders');
  assert.equal(said(client.prove(at(2), finality(3, 8, 0))), 'BrokenHeaders');
  assert.equal(said(client.prove(at(3), FinalityProof.enc({ ...proof, block: blake2_256(at(7)) }))), 'BrokenHeaders');
  assert.equal(said(client.prove(at(3), finality(3, 8, 1))), 'WrongProof');
  assert.equal(said(client.prove(at(8), finality(8, 12, 0))), 'OtherSet');
  assert.equal(said(client.prove(at(3), proof.justification)), 'Malformed');
  assert.equal(said(client.follow(WarpProof.enc({ fragments: CHAIN.proof.slice(1), finished: true }))), 'WrongProof');
  assert.equal(client.voters.setId, 0n, 'nothing of it counted');
  assert.ok(client.follow(warp).ok);
  assert.equal(said(client.prove(at(3), finality(3, 8, 0))), 'OtherSet');
});

test('it runs where there is nothing of Node, and is small', () => {
  const { setId, authorities, number } = CHAIN.begin;
  const input = {
    entry: join(import.meta.dirname, '../../src/consensus/light/light.ts'),
    run: `({ LightClient, readProven }, { authorities, warp, proof, key }) => {
      const bytes = (hex) => Uint8Array.from(hex.slice(2).match(/../g) ?? [], (b) => parseInt(b, 16));
      const client = new LightClient({ setId: 0n, number: 0, authorities: authorities.map((k) => [bytes(k), 1n]) });
      const verdict = client.follow(bytes(warp));
      const read = readProven(verdict.header, proof.map(bytes), bytes(key));
      return [verdict.header.number, read.ok && String.fromCharCode(...read.value)];
    }`,
    argument: {
      authorities: authorities.map(([key]) => toHex(key)),
      warp: toHex(warp),
      proof: STATE.prove([KEY]).map(toHex),
      key: toHex(KEY),
    },
  };
  assert.deepEqual([setId, number], [0n, 0]);
  const flags = ['--experimental-vm-modules', '--no-warnings'];
  const child = spawnSync(process.execPath, [...flags, join(import.meta.dirname, 'light-vm.ts')], {
    input: JSON.stringify(input),
    encoding: 'utf8',
  });
  assert.equal(child.status, 0, child.stderr);
  const { result, bytes, files } = JSON.parse(child.stdout) as { result: unknown; bytes: number; files: string[] };
  assert.deepEqual(result, [38, 'value 7']);
  assert.ok(bytes < 160_000, `${bytes} bytes in ${files.length} files`);
  assert.ok(
    files.every((file) => !/\/(node|p2p|rpc|runtime|native)\//.test(file.replace(/.*node_modules/, ''))),
    `${files}`,
  );
});
