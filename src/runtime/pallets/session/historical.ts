/**
 * # Historical: whose a key was in a past session, proven to a chain that kept only roots.
 *
 * Always true: a proof that is accepted was made from the session's own seats; roots are kept for the bonding duration
 * and one era, so that whoever can still be slashed can still be proven guilty, and no longer.
 */
import { must } from '../../../base/assert.ts';
import { type Bytes, concat, utf8 } from '../../../base/bytes.ts';
import { bytes, type Of, struct, u32, vec } from '../../../codec/index.ts';
import { StateTree } from '../../../state/tree.ts';
import { verifyProof } from '../../../state/trie/proof.ts';
import type { Chain } from '../../chain.ts';
import { AccountId } from '../../types.ts';
import { KEY_TYPES, type SessionKeyName, SessionKeys, typedKeys } from './keys.ts';
import { Seat, SessionDeclared, type SessionScope } from './state.ts';

// A way of 36 bytes has at most 72 nodes; 256 seats with three keys each need about a dozen.
const MAX_NODES = 72;

/** As Substrate's `sp_session::MembershipProof`. */
export const MembershipProof = struct(
  { session: u32, trie_nodes: vec(bytes, MAX_NODES), validator_count: u32 },
  { path: 'sp_session::MembershipProof' },
);
export type MembershipProof = Of<typeof MembershipProof>;

const Leaf = struct({ validator: AccountId, keys: SessionKeys, seat: Seat });

/** Who held a key in a session, and the units of stake behind the seat. */
export interface KeyHolder {
  readonly validator: AccountId;
  readonly session: number;
  readonly stake: bigint;
  readonly weight: bigint;
  readonly keys: SessionKeys;
}

type Validators = Of<(typeof SessionDeclared)['storage']['QueuedKeys']['codec']>;

/** Key type || key -> validator, keys, seat: a trie like that of the state. */
function treeOf(validators: Validators, seats: readonly Seat[]): StateTree {
  return StateTree.from(
    validators.flatMap(([validator, keys], i) => {
      const leaf = Leaf.enc({ validator, keys, seat: must(seats[i], 'each validator has a seat') });
      return typedKeys(keys).map(([type, key]): [Bytes, Bytes] => [concat(type, key), leaf]);
    }),
  );
}

/** Keeps the root of a session that begins, and forgets the oldest: one in, at most one out. */
export function remember(at: SessionScope, session: number, validators: Validators, seats: readonly Seat[]): void {
  at.state.HistoricalSessions.put(session, [treeOf(validators, seats).root, validators.length]);
  const { bondingEras, sessionsPerEra } = at.spec.staking;
  const kept = (bondingEras + 1) * sessionsPerEra;
  const first = at.state.StoredRange.get()?.[0] ?? session;
  const oldest = Math.max(first, session + 1 - kept);
  if (oldest > first) at.state.HistoricalSessions.delete(first);
  at.state.StoredRange.put([oldest, session + 1]);
}

/** What a proof is made of; the state of any block of the session has it. */
interface SessionSeats {
  readonly CurrentIndex: { get(): number };
  readonly AuthorityKeys: { get(): Validators };
  readonly Seats: { get(): readonly Seat[] };
}

/**
 * The proof that a key belongs to a seat of the session that this state stands in; undefined where it does not. For a
 * key of a past session ask with the state of one of its blocks.
 */
export function proveOwner(
  { CurrentIndex, AuthorityKeys, Seats }: SessionSeats,
  keyType: SessionKeyName,
  key: Bytes,
): MembershipProof | undefined {
  const tree = treeOf(AuthorityKeys.get(), Seats.get());
  const name = concat(utf8(KEY_TYPES[keyType]), key);
  if (tree.get(name) === undefined) return undefined;
  return { session: CurrentIndex.get(), trie_nodes: tree.prove([name]), validator_count: Seats.get().length };
}

/** Who held the key, by a proof from anybody; undefined where it proves nothing or its session is not kept. */
export function checkOwner(
  chain: Chain,
  keyType: SessionKeyName,
  key: Bytes,
  proof: MembershipProof,
): KeyHolder | undefined {
  const known = chain.use(SessionDeclared).state.HistoricalSessions.get(proof.session);
  if (known === undefined || known[1] !== proof.validator_count) return undefined;
  const proven = verifyProof(known[0], proof.trie_nodes, concat(utf8(KEY_TYPES[keyType]), key));
  if (!proven.ok || proven.value === undefined) return undefined;
  const { validator, keys, seat } = Leaf.dec(proven.value);
  return { validator, keys, session: proof.session, ...seat };
}
