/**
 * # Grandpa slots: a chain of slots whose voters change, with the proofs that its voters would have left behind.
 *
 * The changes of voters are put into the states and headers by hand, where a session would make them: nobody executes
 * these blocks again who begins above them.
 */
import { must } from '../../src/base/assert.ts';
import { type Bytes, concat, littleEndian, toHex, utf8 } from '../../src/base/bytes.ts';
import { LastProof } from '../../src/consensus/finality/message.ts';
import { twox } from '../../src/crypto/hash.ts';
import type { Keypair } from '../../src/crypto/keypair.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { type ChainSpec, encodeSpec, parseChainSpec } from '../../src/node/chain-spec.ts';
import { AuthorityList } from '../../src/primitives/justification.ts';
import { readSlotSealed } from '../../src/primitives/slots.ts';
import { keyOf } from '../../src/state/key.ts';
import { changeTo, justified, listOf } from '../consensus/finality/sets.ts';
import { type SlotsChain, slotsSpec } from '../consensus/slots-chain.ts';

const VOTERS = ['Alice', 'Bob', 'Charlie', 'Dave'];

/** The four voters of a set: other keys each time. */
function votersOf(set: number): Keypair[] {
  return VOTERS.map((name) => keypairFromSuri(`//${name}//grandpa${set === 0 ? '' : `//${set}`}`, 'ed25519'));
}

export function grandpaSlotsSpec(changes: Parameters<typeof slotsSpec>[0] = {}): ChainSpec {
  const spec = JSON.parse(encodeSpec(slotsSpec(changes)));
  spec.consensus.finality = 'grandpa';
  spec.genesis.runtimeGenesis.patch.grandpa = { authorities: votersOf(0).map((key) => [toHex(key.publicKey), '1']) };
  return parseChainSpec(JSON.stringify(spec), 'slots with votes');
}

const item = (name: string): string => keyOf(concat(twox(utf8('Grandpa'), 16), twox(utf8(name), 16)));

/** As nodes keep proofs: of the ends of sets, and of the first block at or above each multiple of this. */
const KEEP_EVERY = 512;

/** Grows a chain by `count` blocks with `transfers` each; its voters change with each multiple of `session`. */
export function growVoted(chain: SlotsChain, count: number, session: number, transfers = 0): void {
  const { store } = chain;
  for (let i = 0; i < count; i++) {
    const number = store.best.number + 1;
    if (number % session === 0) endSet(chain, Math.floor(number / session) - 1);
    else {
      // From purse to purse in turn, so that none is ever empty.
      const extrinsics = Array.from({ length: transfers }, (_, n) => chain.transfer(number + n, number + n + 1));
      chain.keep(chain.make({ extrinsics }));
    }
    if (number % session !== 0 && number % KEEP_EVERY !== 0) continue;
    store.putJustification(store.best.hash, proofOf(chain, store.best.hash, session));
  }
  const { settled: block } = store;
  const set = BigInt(setOf(block.number, session));
  const proof = { block, setId: set, bytes: proofOf(chain, block.hash, session) };
  store.putAux('grandpa/last', LastProof.enc(proof));
}

/** A block with which a set ends: the header says who follows, and so does the state. */
function endSet(chain: SlotsChain, set: number): void {
  const { store } = chain;
  const next = votersOf(set + 1);
  const plain = chain.make();
  const changes = new Map([
    ...plain.built.changes,
    [item('Authorities'), AuthorityList.enc(listOf(next))],
    [item('CurrentSetId'), littleEndian(BigInt(set + 1), 8)],
  ] as [string, Bytes | null][]);
  const tree = must(store.view(plain.decoded.parentHash), 'the parent has its state').with(changes);
  const made = chain.make({
    drawn: readSlotSealed(plain.decoded),
    header: (header) => ({ ...header, stateRoot: tree.root, digest: [...header.digest, changeTo(next)] }),
  });
  chain.keep({ ...made, built: { ...made.built, changes, tree } });
}

function setOf(number: number, session: number): number {
  return Math.floor((number - 1) / session);
}

/** What the voters of its set say of a block. */
function proofOf({ store }: SlotsChain, hash: Bytes, session: number): Bytes {
  const set = setOf(must(store.number(hash), 'a block'), session);
  return justified(must(store.header(hash), 'a header'), votersOf(set), BigInt(set));
}
