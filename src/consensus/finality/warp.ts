/**
 * # Warp: from the voters of genesis to the newest final block, by one proof for each set between.
 *
 * Always true: a block that comes out was proven final by the set that the proofs before it lead to, and by no other;
 * work is linear in the bytes, and each justification's signatures are checked only once all else of it holds. A change
 * of voters that takes effect later than in its own block is not followed: our runtime makes none.
 */
import type { Bytes } from '../../base/bytes.ts';
import { tryDecode } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { itemsOf } from '../../primitives/digest.ts';
import { Header } from '../../primitives/header.ts';
import { type AuthorityList, GRANDPA_ENGINE, GrandpaLog } from '../../primitives/justification.ts';
import type { WarpProof } from '../../primitives/warp.ts';
import { type JustificationFault, verifyJustification } from './justification.ts';
import type { Verify } from './round.ts';
import { VoterSet } from './voter-set.ts';

export const WARP_FAULTS = {
  NoHeader: 'a header does not decode',
  NotAbove: 'a block is not above the one proven before it',
  NoVoters: 'a set of voters is empty',
  NoChange: 'a block between does not end its set of voters',
  NotFinal: 'a justification does not prove its block',
} as const;
export type WarpFault = keyof typeof WARP_FAULTS;

/** A block that is proven final, with its header. */
export interface ProvenBlock {
  readonly number: number;
  readonly hash: Bytes;
  /** SCALE of the whole header. */
  readonly bytes: Bytes;
  readonly header: Header;
  readonly justification: Bytes;
}

/** How far a proof has led: who votes next, and the block on which they begin. */
export interface WarpState {
  readonly setId: bigint;
  readonly authorities: AuthorityList;
  readonly number: number;
}

export type WarpVerdict =
  | { readonly ok: true; readonly state: WarpState; readonly proven: readonly ProvenBlock[] }
  | { readonly ok: false; readonly fault: WarpFault; readonly because?: JustificationFault };

/** Judges a piece of a proof that goes on from a state. `proven` are its blocks in order. */
export function followProof(from: WarpState, { fragments, finished }: WarpProof, verify: Verify): WarpVerdict {
  let state = from;
  const proven: ProvenBlock[] = [];
  for (const [i, fragment] of fragments.entries()) {
    const header = tryDecode(Header, fragment.header);
    if (header === undefined) return { ok: false, fault: 'NoHeader' };
    if (header.number <= (proven.at(-1)?.number ?? state.number)) return { ok: false, fault: 'NotAbove' };
    const voters = VoterSet.of(state.authorities);
    if (voters === undefined) return { ok: false, fault: 'NoVoters' };
    const next = changeAt(header);
    const isLast = finished && i === fragments.length - 1;
    if (next === undefined && !isLast) return { ok: false, fault: 'NoChange' };
    const target = { number: header.number, hash: blake2_256(fragment.header) };
    const verdict = verifyJustification(fragment.justification, { voters, setId: state.setId, verify, target });
    if (!verdict.ok) return { ok: false, fault: 'NotFinal', because: verdict.fault };
    proven.push({ ...target, bytes: fragment.header, header, justification: fragment.justification });
    if (next !== undefined) state = { setId: state.setId + 1n, authorities: next, number: header.number };
  }
  return { ok: true, state, proven };
}

/** The voters that a header's own block hands over to; undefined when the set goes on. */
export function changeAt(header: Header): AuthorityList | undefined {
  for (const data of itemsOf(header.digest, 'Consensus', GRANDPA_ENGINE)) {
    const log = tryDecode(GrandpaLog, data);
    if (log?.type === 'ScheduledChange' && log.value.delay === 0) return log.value.next;
  }
  return undefined;
}
