/**
 * # Voters: the validators of a session vote on finality, and answer for it with what is bonded behind their seats.
 *
 * Always true: where sessions name the validators, nobody else votes and a key is owned by whoever held it in a session
 * that is still kept; where the chain spec names voters alone, a double vote is recorded and costs nothing.
 */

import { concat } from '../../base/bytes.ts';
import { u64 } from '../../codec/index.ts';
import type { Chain } from '../chain.ts';
import { type OffenceHandler, RECORD_ONLY, scheduleChange } from './grandpa.ts';
import { reportOffence } from './offences.ts';
import { checkOwner, proveOwner, SessionDeclared, type SessionHandler } from './session.ts';

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
    if (holder === undefined) return;
    const timeSlot = concat(u64.enc(setId), u64.enc(round));
    const { session, validator } = holder;
    const by = reporter === undefined ? {} : { reporter };
    reportOffence(at, { kind: 'grandpa:equivoc', session, timeSlot, offenders: [validator], ...by });
  },
};
