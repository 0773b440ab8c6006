/**
 * # Voters: the validators of a session vote on finality, answer for it with what is bonded behind their seats, and are
 * present in an era by a vote that the chain is shown.
 *
 * Always true: where sessions name the validators, nobody else votes and a key is owned by whoever held it in a session
 * that is still kept; where the chain spec names voters alone, a double vote is recorded and costs nothing.
 */

import { concat, equal } from '../../base/bytes.ts';
import { u64 } from '../../codec/index.ts';
import type { Chain } from '../chain.ts';
import { NO_WEIGHT } from '../weights.ts';
import type { RollCall } from './grandpa/votes.ts';
import { type OffenceHandler, RECORD_ONLY, scheduleChange } from './grandpa.ts';
import { OFFENCE_WEIGHT, reportOffence } from './offences.ts';
import { checkOwner, proveOwner, SessionDeclared, type SessionHandler, sessionAuthorities } from './session.ts';
import { noteActive, presenceOf } from './staking.ts';

/** A session's validators become the voters, their seats' weights the weights of their votes. */
export const tellVoters: SessionHandler = (at, { session, changed, authorities }) => {
  const voters = authorities.map(({ keys, weight }): [Uint8Array, bigint] => [keys.grandpa, weight]);
  scheduleChange(at, { session, changed, authorities: voters });
};

function hasSessions(at: Chain): boolean {
  return at.use(SessionDeclared).state.Validators.has();
}

/** Whose keys vote, and what a double vote costs. */
export const STAKED_VOTERS: OffenceHandler = {
  isOwned(at, key, setId, proof) {
    if (!hasSessions(at)) return RECORD_ONLY.isOwned(at, key, setId, proof);
    return checkOwner(at, 'grandpa', key, proof) !== undefined;
  },
  prove(at, key, setId) {
    if (!hasSessions(at)) return RECORD_ONLY.prove(at, key, setId);
    return proveOwner(at.use(SessionDeclared).state, 'grandpa', key);
  },
  onOffence(at, { setId, round, key, ownerProof, reporter }) {
    const holder = hasSessions(at) ? checkOwner(at, 'grandpa', key, ownerProof) : undefined;
    if (holder === undefined) return NO_WEIGHT;
    const timeSlot = concat(u64.enc(setId), u64.enc(round));
    const { session, validator } = holder;
    const by = reporter === undefined ? {} : { reporter };
    const offence = { kind: 'grandpa:equivoc', session, timeSlot, offenders: [validator], ...by } as const;
    return reportOffence(at, offence) ?? NO_WEIGHT;
  },
  weight: OFFENCE_WEIGHT,
};

/** Validators of the session are waited for in each era, by the keys that they vote with. */
export const STAKED_ROLL: RollCall = {
  awaited(at, key) {
    const seat = sessionAuthorities(at).find(({ keys }) => equal(keys.grandpa, key));
    return seat && { validator: seat.validator, ...presenceOf(at, seat.validator) };
  },
  note: noteActive,
};
