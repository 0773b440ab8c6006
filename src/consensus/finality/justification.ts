/**
 * # Proofs of finality: made from the precommits of a round, and judged by anybody who knows the authority set.
 *
 * Always true: what passes holds one precommit of each voter it names, all of them for the target or a descendant, of a
 * supermajority by weight, signed for this round and set, and exactly the headers that lead from them to the target.
 * Bytes are Substrate's GrandpaJustification. Judging is linear in the bytes; signatures come last.
 */
import { type Bytes, equal, toHex } from '../../base/bytes.ts';
import { tryDecode } from '../../codec/index.ts';
import { type Header, headerHash } from '../../primitives/header.ts';
import {
  GrandpaJustification,
  MAX_ANCESTRY,
  MAX_PROOF_BYTES,
  type Target,
  voteMessage,
} from '../../primitives/justification.ts';
import type { BlockRef } from '../../state/store.ts';
import type { Round, Verify } from './round.ts';
import type { VoterSet } from './voter-set.ts';

/** Why a justification proves nothing: code -> sentence. */
export const JUSTIFICATION_FAULTS = {
  Malformed: 'the bytes are no justification',
  OtherTarget: 'the justification is for another block',
  UnknownVoter: 'a precommit is of a key outside the authority set',
  DoubleVoter: 'a voter is named twice',
  TooLittleWeight: 'the precommits are not a supermajority',
  BelowTarget: 'a precommit is for a block below the target, or on another branch',
  MissingAncestry: 'a header between a precommit and the target is missing',
  UnusedAncestry: 'a header leads from no precommit to the target, or stands there twice',
  BadSignature: 'a signature is not that of its voter for this round and set',
} as const;
export type JustificationFault = keyof typeof JUSTIFICATION_FAULTS;

export type JustificationVerdict =
  | { readonly ok: true; readonly justification: GrandpaJustification }
  | { readonly ok: false; readonly fault: JustificationFault };

export interface JustificationRules {
  readonly voters: VoterSet;
  readonly setId: bigint;
  readonly verify: Verify;
  /** The block that it must prove; any when absent. */
  readonly target?: BlockRef;
}

/** Judges Substrate's bytes of a justification: for sync, warp sync and light clients. */
export function verifyJustification(bytes: Bytes, rules: JustificationRules): JustificationVerdict {
  const justification = tryDecode(GrandpaJustification, bytes);
  if (justification === undefined) return { ok: false, fault: 'Malformed' };
  const { target } = justification.commit;
  const fault =
    rules.target !== undefined && !(target.number === rules.target.number && equal(target.hash, rules.target.hash))
      ? 'OtherTarget'
      : (faultOfWeight(justification, rules.voters) ??
        faultOfAncestry(justification) ??
        faultOfSignatures(justification, rules));
  return fault === undefined ? { ok: true, justification } : { ok: false, fault };
}

/**
 * The proof of the highest block that a round's precommits prove final; undefined when there is none, when a header on
 * the way is not at hand, or when the proof would be longer than what travels: votes that lie so far apart leave it to
 * a later round. Where every precommit stands on the lowest of them that one is proven: later verifiers of Substrate
 * take the lowest precommit as the root of the ancestry.
 */
export function justify(
  round: Round,
  header: (hash: Bytes) => Header | undefined,
): { readonly target: BlockRef; readonly bytes: Bytes } | undefined {
  const proven = round.proven();
  if (proven === undefined) return undefined;
  const { precommits } = proven;
  const lowest = precommits.map((one) => one.precommit).reduce((low, one) => (one.number < low.number ? one : low));
  const { tree } = round.setup;
  const target = precommits.every(({ precommit }) => {
    const under = tree.ancestor(precommit.hash, lowest.number);
    return under !== undefined && equal(under.hash, lowest.hash);
  })
    ? lowest
    : proven.target;
  const headers = new Map<string, Header>();
  for (const { precommit } of precommits) {
    let hash = precommit.hash;
    while (!equal(hash, target.hash) && !headers.has(toHex(hash))) {
      const found = header(hash);
      if (found === undefined || found.number <= target.number) return undefined;
      if (headers.size === MAX_ANCESTRY) return undefined;
      headers.set(toHex(hash), found);
      hash = found.parentHash;
    }
  }
  const votesAncestries = [...headers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
  const commit = { target: { hash: target.hash, number: target.number }, precommits };
  const bytes = GrandpaJustification.enc({ round: round.number, commit, votesAncestries });
  return bytes.length <= MAX_PROOF_BYTES ? { target: commit.target, bytes } : undefined;
}

/** The block that a justification claims to prove; undefined when the bytes are none. */
export function targetOf(bytes: Bytes): Target | undefined {
  return tryDecode(GrandpaJustification, bytes)?.commit.target;
}

function faultOfWeight({ commit }: GrandpaJustification, voters: VoterSet): JustificationFault | undefined {
  const seen = new Set<number>();
  let weight = 0n;
  for (const { id } of commit.precommits) {
    const voter = voters.get(id);
    if (voter === undefined) return 'UnknownVoter';
    if (seen.has(voter.index)) return 'DoubleVoter';
    seen.add(voter.index);
    weight += voter.weight;
  }
  return weight >= voters.threshold ? undefined : 'TooLittleWeight';
}

function faultOfAncestry({ commit, votesAncestries }: GrandpaJustification): JustificationFault | undefined {
  const headers = new Map<string, Header>();
  for (const header of votesAncestries) headers.set(toHex(headerHash(header)), header);
  if (headers.size !== votesAncestries.length) return 'UnusedAncestry';
  // Headers that are known to lead to the target: each is walked once, however many precommits stand on it.
  const leading = new Set<string>();
  for (const { precommit } of commit.precommits) {
    const fault = walk(precommit, commit.target, headers, leading);
    if (fault !== undefined) return fault;
  }
  return leading.size === headers.size ? undefined : 'UnusedAncestry';
}

function walk(
  from: Target,
  target: Target,
  headers: ReadonlyMap<string, Header>,
  leading: Set<string>,
): JustificationFault | undefined {
  let { hash, number } = from;
  while (!equal(hash, target.hash)) {
    if (number <= target.number) return 'BelowTarget';
    const key = toHex(hash);
    const header = headers.get(key);
    if (header === undefined || header.number !== number) return 'MissingAncestry';
    if (leading.has(key)) return undefined;
    leading.add(key);
    hash = header.parentHash;
    number--;
  }
  return number === target.number ? undefined : 'BelowTarget';
}

function faultOfSignatures(
  { round, commit }: GrandpaJustification,
  { setId, verify }: JustificationRules,
): JustificationFault | undefined {
  const holds = commit.precommits.every(({ precommit, signature, id }) =>
    verify(signature, voteMessage('precommit', precommit, round, setId), id),
  );
  return holds ? undefined : 'BadSignature';
}
