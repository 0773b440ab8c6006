/** # Sets: a made-up chain whose voters change, with the proofs of it, and everything that a liar needs. */
import { must } from '../../../src/base/assert.ts';
import { type Bytes, utf8 } from '../../../src/base/bytes.ts';
import type { Verify } from '../../../src/consensus/finality/round.ts';
import type { WarpState } from '../../../src/consensus/finality/warp.ts';
import { blake2_256 } from '../../../src/crypto/hash.ts';
import { type Keypair, keypairFromSeed } from '../../../src/crypto/keypair.ts';
import { verifySignature } from '../../../src/crypto/verify.ts';
import type { DigestItem } from '../../../src/primitives/digest.ts';
import { Header } from '../../../src/primitives/header.ts';
import {
  type AuthorityList,
  GRANDPA_ENGINE,
  GrandpaJustification,
  GrandpaLog,
  voteMessage,
} from '../../../src/primitives/justification.ts';
import type { WarpFragment } from '../../../src/primitives/warp.ts';
import { orderedRoot } from '../../../src/state/trie/root.ts';

export const verify: Verify = (signature, message, id) => verifySignature('ed25519', signature, message, id);

/** Three voters of a name's making. */
export function votersOf(name: string): Keypair[] {
  return [0, 1, 2].map((i) => keypairFromSeed('ed25519', blake2_256(utf8(`${name} ${i}`))));
}

export function listOf(voters: readonly Keypair[]): AuthorityList {
  return voters.map(({ publicKey }): [Bytes, bigint] => [publicKey, 1n]);
}

export function changeTo(voters: readonly Keypair[], delay = 0): DigestItem {
  const data = GrandpaLog.enc({ type: 'ScheduledChange', value: { next: listOf(voters), delay } });
  return { type: 'Consensus', value: { engine: GRANDPA_ENGINE, data } };
}

/** What these voters say to this header being final. */
export function justified(header: Bytes, voters: readonly Keypair[], setId: bigint): Bytes {
  const target = { hash: blake2_256(header), number: Header.dec(header).number };
  const precommits = voters.map((voter) => ({
    precommit: target,
    signature: voter.sign(voteMessage('precommit', target, 7n, setId)),
    id: voter.publicKey,
  }));
  return GrandpaJustification.enc({ round: 7n, commit: { target, precommits }, votesAncestries: [] });
}

export interface MadeChain {
  /** By height; genesis is the first. */
  readonly headers: readonly Bytes[];
  /** The ends of sets, and then the newest block. */
  readonly proof: readonly WarpFragment[];
  readonly begin: WarpState;
}

export interface ChainOptions {
  readonly blocks: number;
  /** A set ends with each multiple of this. */
  readonly session: number;
  readonly salt?: string;
  readonly stateRoot?: Bytes;
  readonly body?: readonly Bytes[];
  /** Blocks up to this height are those of the chain without salt. */
  readonly same?: number;
}

/** Voters of set i are `set i`; whoever votes in one knows the keys of none other. */
export function madeChain({ blocks, session, salt = '', stateRoot, body = [], same = 0 }: ChainOptions): MadeChain {
  const headers: Bytes[] = [];
  const proof: WarpFragment[] = [];
  let set = 0;
  for (let number = 0; number <= blocks; number++) {
    const ends = number > 0 && number % session === 0;
    const voters = (i: number): Keypair[] => votersOf(`set ${i}${i > 0 && i * session > same ? salt : ''}`);
    const header = Header.enc({
      parentHash: number === 0 ? new Uint8Array(32) : blake2_256(must(headers[number - 1], 'a parent')),
      number,
      stateRoot: stateRoot ?? blake2_256(utf8(`state ${number}`)),
      extrinsicsRoot: orderedRoot(body),
      digest: [
        ...(ends ? [changeTo(voters(set + 1))] : []),
        ...(number > same && salt !== '' ? [{ type: 'Other' as const, value: utf8(salt) }] : []),
      ],
    });
    headers.push(header);
    if (ends || (number === blocks && number > 0)) {
      proof.push({ header, justification: justified(header, voters(set), BigInt(set)) });
    }
    if (ends) set++;
  }
  return { headers, proof, begin: { setId: 0n, authorities: listOf(votersOf('set 0')), number: 0 } };
}
