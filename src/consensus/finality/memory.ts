/**
 * # Voter's memory in the store: one small record, rewritten with each vote.
 *
 * Always true: what is found is what was kept last; a record that does not decode is an error, never an empty memory,
 * for a voter without memory may vote twice. A vote may leave the process only when a synced flush after
 * `keepMemory` has resolved: before that a power cut takes the record back.
 */
import type { ChainStore } from '../../state/store.ts';
import { VoterMemoryCodec } from './message.ts';
import type { VoterMemory } from './voter.ts';

const RECORD = 'grandpa/voter';

/** Notes what the voter must find again; durable with the next synced flush. StoreError `TooMuchAux` above 1 MiB. */
export function keepMemory(store: Pick<ChainStore, 'putAux'>, memory: VoterMemory): void {
  store.putAux(RECORD, VoterMemoryCodec.enc(memory));
}

/** What was kept last; undefined where this node never voted. CodecError when it was written by another version. */
export function keptMemory(store: Pick<ChainStore, 'aux'>): VoterMemory | undefined {
  const bytes = store.aux(RECORD);
  return bytes === undefined ? undefined : VoterMemoryCodec.dec(bytes);
}
