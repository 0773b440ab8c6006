/**
 * # Light client: what a chain's state says, from bytes of anybody, for whoever knows its genesis.
 *
 * Always true: a header that comes out was proven final by the set of voters that genesis leads to; a value that comes
 * out stands under the state root of such a header. Nothing here fetches anything, and neither it nor what it imports
 * needs more than the language and TextEncoder: it runs in a browser as it is. Memory is one set of voters.
 */
import { type Bytes, equal } from '../../base/bytes.ts';
import { tryDecode } from '../../codec/index.ts';
import { ed25519VerifyReference } from '../../crypto/ed25519.ts';
import { Header, headerHash } from '../../primitives/header.ts';
import { FinalityProof } from '../../primitives/justification.ts';
import { WarpProof } from '../../primitives/warp.ts';
import { type Proven, verifyProof } from '../../state/trie/proof.ts';
import { verifyJustification } from '../finality/justification.ts';
import type { Verify } from '../finality/round.ts';
import { VoterSet } from '../finality/voter-set.ts';
import { changeAt, followProof, type WarpState } from '../finality/warp.ts';

/** Why bytes prove nothing: code -> sentence. */
export const LIGHT_FAULTS = {
  Malformed: 'the bytes are not what they should be',
  WrongProof: 'the proof does not hold',
  BrokenHeaders: 'the headers do not lead from the block to the justified one',
  OtherSet: 'the block is not one that the present set of voters finalizes: follow the sets first',
} as const;
export type LightFault = keyof typeof LIGHT_FAULTS;

export type LightVerdict =
  | { readonly ok: true; readonly header: Header }
  | { readonly ok: false; readonly fault: LightFault };

export class LightClient {
  private readonly verify: Verify;
  private set: WarpState;

  /** `begin`: the voters of genesis (`Grandpa.Authorities`), set 0, height 0; or of a block that is trusted. */
  constructor(begin: WarpState, verify: Verify = ed25519VerifyReference) {
    this.set = begin;
    this.verify = verify;
  }

  /** Who votes on what stands above `number`. */
  get voters(): WarpState {
    return this.set;
  }

  /** Follows a piece of a warp proof (SCALE of WarpProof); its last header is final. */
  follow(bytes: Bytes): LightVerdict {
    const proof = tryDecode(WarpProof, bytes);
    if (proof === undefined || proof.fragments.length === 0) return failed('Malformed');
    const verdict = followProof(this.set, proof, this.verify);
    const last = verdict.ok ? verdict.proven.at(-1) : undefined;
    if (!verdict.ok || last === undefined) return failed('WrongProof');
    this.set = verdict.state;
    return { ok: true, header: last.header };
  }

  /** Whether a header (SCALE) is final by what `grandpa_proveFinality` answered for its height. */
  prove(header: Bytes, proof: Bytes): LightVerdict {
    const first = tryDecode(Header, header);
    const answer = tryDecode(FinalityProof, proof);
    if (first === undefined || answer === undefined) return failed('Malformed');
    const { set } = this;
    const chain = [first, ...answer.unknownHeaders];
    const last = chain.at(-1) ?? first;
    if (first.number <= set.number) return failed('OtherSet');
    if (!isChain(chain) || !equal(headerHash(last), answer.block)) return failed('BrokenHeaders');
    // A set finalizes nothing above the block that ends it.
    if (chain.slice(0, -1).some((one) => changeAt(one) !== undefined)) return failed('OtherSet');
    const voters = VoterSet.of(set.authorities);
    if (voters === undefined) return failed('OtherSet');
    const target = { number: last.number, hash: answer.block };
    const verdict = verifyJustification(answer.justification, {
      voters,
      setId: set.setId,
      verify: this.verify,
      target,
    });
    if (!verdict.ok) return failed('WrongProof');
    const next = changeAt(last);
    if (next !== undefined) this.set = { setId: set.setId + 1n, authorities: next, number: last.number };
    return { ok: true, header: first };
  }
}

/** What the state of a proven header holds under a key, by what `state_getReadProof` answered. */
export function readProven(header: Header, proof: readonly Bytes[], key: Bytes): Proven {
  return verifyProof(header.stateRoot, proof, key);
}

function isChain(headers: readonly Header[]): boolean {
  return headers.every((header, i) => {
    const parent = headers[i - 1];
    return (
      parent === undefined || (header.number === parent.number + 1 && equal(header.parentHash, headerHash(parent)))
    );
  });
}

function failed(fault: LightFault): LightVerdict {
  return { ok: false, fault };
}
