/**
 * # Slots: who takes turns at authoring, and in which order.
 *
 * Always true: authorities and order of an epoch are known, and fixed, one whole epoch before it begins, by what
 * authors drew before that: nobody who may still act on them can choose them. An epoch's seals can be accused for
 * KEPT_EPOCHS epochs, an authority once in each. Where sessions name validators, these take the turns, and answer for
 * two blocks of one slot with what is bonded behind their seats.
 */
import { must } from '../../base/assert.ts';
import { type Bytes, concat, equal, littleEndian, toHex, utf8 } from '../../base/bytes.ts';
import { fixed, hash, type Of, struct, tuple, u32, u64, vec } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { Slot, SlotEquivocation } from '../../primitives/slots.ts';
import { reader } from '../access.ts';
import type { Chain } from '../chain.ts';
import { ConfigError } from '../config.ts';
import { invalid } from '../errors.ts';
import { constant, event, pallet, rules, type Scope } from '../pallet.ts';
import { type Accused, accusedBy, epochAt, provesEquivocation, type SlotEpoch, slotAt } from '../slots.ts';
import { map, type Readable, twox64Concat, value } from '../storage.ts';
import { AccountId } from '../types.ts';
import { plus, rw, SIGNATURE_WEIGHT } from '../weights.ts';
import { BARE_LONGEVITY, genesisHash } from './bare.ts';
import { beaconAt } from './compute-pow.ts';
import { OFFENCE_WEIGHT, reportOffence } from './offences.ts';
import { SessionDeclared, sessionAuthorities } from './session.ts';
import { Timestamp } from './timestamp.ts';

const PATH = 'pallet_slots';
/** More than any session has; each is 64 bytes, which every importer reads and shuffles. */
const MAX_AUTHORITIES = 1_024;
/** Epochs in which an equivocation can still be reported. */
const KEPT_EPOCHS = 64;
/** Before any fee-paying transaction: there is at most one of an authority and epoch. */
const REPORT_PRIORITY = 1n << 62n;

const Authority = struct({ account: AccountId, key: fixed(32) }, { path: `${PATH}::Authority` });
const Authorities = vec(Authority, MAX_AUTHORITIES);
type Authorities = Of<typeof Authorities>;
/** Authorities, and the session whose validators they are. */
const Turns = struct({ session: u32, authorities: Authorities }, { path: `${PATH}::Turns` });
type Turns = Of<typeof Turns>;
const NextEpoch = struct({ randomness: hash, session: u32, authorities: Authorities }, { path: `${PATH}::NextEpoch` });
const Epoch = struct(
  { index: Slot, randomness: hash, session: u32, authorities: Authorities },
  { path: `${PATH}::Epoch` },
);

const INDEX = twox64Concat(Slot, 'epochs follow from the time');

export const SlotsDeclared = pallet('Slots', {
  index: 44,
  doc: 'Turns at authoring.',
  constants: {
    EpochSlots: constant('Slots of an epoch.', u32, (spec) => spec.epochSlots),
    SlotDuration: constant('Milliseconds of a slot.', u64, (spec) => BigInt(spec.blockTimeMs)),
  },
  storage: {
    Current: value('The epoch of the present block.', Epoch),
    Next: value('The epoch after it, whichever number it will have: epochs without blocks are passed over.', NextEpoch),
    Past: map('Authorities of earlier epochs, while they can be accused.', INDEX, Turns),
    PastEpochs: value('The numbers of these epochs, ascending.', vec(Slot, KEPT_EPOCHS + 1), []),
    Reported: map('Who was accused of an equivocation in an epoch.', INDEX, vec(AccountId, MAX_AUTHORITIES), []),
  },
  events: {
    NewEpoch: event('An epoch began, with an order of its own.', { index: Slot, randomness: hash }),
    Equivocated: event('An authority sealed two headers of one slot.', { author: AccountId, slot: Slot }),
  },
});
type At = Scope<typeof SlotsDeclared>;

export const Slots = rules(SlotsDeclared, {
  calls: {
    report_equivocation: {
      index: 0,
      doc: 'Accuses an authority by two headers of one slot, sealed with its key. Whoever finds them may report them.',
      origin: 'bare',
      class: 'Operational',
      weight: plus(rw(6, 2, 2n * SIGNATURE_WEIGHT.ref_time), OFFENCE_WEIGHT),
      args: { proof: SlotEquivocation },
      validate(at, { proof }) {
        const { author, slot } = judged(at, proof);
        const epoch = epochAt(slot, at.const.EpochSlots);
        return {
          priority: REPORT_PRIORITY,
          provides: [concat(utf8('slot/report/'), author, littleEndian(BigInt(epoch), 8))],
          longevity: BARE_LONGEVITY,
        };
      },
      run(at, { proof }) {
        // It was judged just before, and is not judged again.
        punish(at, must(accusedBy(proof), 'a proof that was judged'));
      },
    },
  },
  hooks: {
    on_finalize(at) {
      const slot = slotAt(Number(at.use(Timestamp).state.Now.get()), at.spec.blockTimeMs);
      const index = epochAt(slot, at.const.EpochSlots);
      if (index > currentOf(at).index) enterEpoch(at, index);
    },
  },
  genesis: {
    config: { authorities: vec(tuple(AccountId, fixed(32)), MAX_AUTHORITIES) },
    build(at, config) {
      const authorities = config.authorities.map(([account, key]) => ({ account, key }));
      const randomness = blake2_256(utf8('slot/1/genesis'));
      at.state.Current.put({ index: 0, randomness, session: 0, authorities });
      at.state.Next.put({ randomness, session: 0, authorities });
    },
    close(at) {
      // The first session stands by now.
      const turns = validatorsOf(at);
      if (turns !== undefined) {
        at.state.Current.mutate((epoch) => ({ ...must(epoch, 'built'), ...turns }));
        at.state.Next.mutate((epoch) => ({ ...must(epoch, 'built'), ...turns }));
      }
      const fault = faultOf(currentOf(at).authorities);
      if (fault !== undefined) throw new ConfigError('slots.authorities', fault);
    },
  },
  invariant(at) {
    const { index, authorities } = currentOf(at);
    const past = at.state.PastEpochs.get();
    if (past.length > KEPT_EPOCHS || past.some((one) => one >= index)) return 'epochs are kept for too long';
    return faultOf(authorities) ?? faultOf(nextOf(at).authorities) ?? true;
  },
});

/** What consensus reads to judge a block in this slot, from the state of its parent. */
export function slotEpoch(view: Readable, slot: number, epochSlots: number): SlotEpoch {
  const state = reader(SlotsDeclared, view);
  const current = must(state.Current.get(), 'an epoch since genesis');
  return epochAt(slot, epochSlots) > current.index ? must(state.Next.get(), 'an epoch to come') : current;
}

/** Whose seals a node that has this state can tell: authorities of the epoch and of the next one. */
export function slotAuthorities(view: Readable): Authorities {
  const state = reader(SlotsDeclared, view);
  const [current, next] = [state.Current.get(), state.Next.get()];
  return [...(current?.authorities ?? []), ...(next?.authorities ?? [])];
}

const currentOf = (at: At): Of<typeof Epoch> => must(at.state.Current.get(), 'an epoch since genesis');
const nextOf = (at: At): Of<typeof NextEpoch> => must(at.state.Next.get(), 'an epoch to come');

/** What is wrong with a list of authorities. */
function faultOf(authorities: Authorities): string | undefined {
  if (authorities.length === 0) return 'nobody may author';
  const names = new Set(authorities.flatMap(({ account, key }) => [`a${toHex(account)}`, `k${toHex(key)}`]));
  return names.size === 2 * authorities.length ? undefined : 'an account or a key occurs twice';
}

/**
 * What authors drew until the parent of the first block of an epoch orders the epoch after it: the last of them could
 * still withhold his block, and shift what nobody can act on before.
 */
function enterEpoch(at: At, index: number): void {
  const [current, next] = [currentOf(at), nextOf(at)];
  at.state.Past.put(current.index, { session: current.session, authorities: current.authorities });
  const past = [...at.state.PastEpochs.get(), current.index];
  for (const old of past.splice(0, Math.max(0, past.length - KEPT_EPOCHS))) {
    at.state.Past.delete(old);
    at.state.Reported.delete(old);
  }
  at.state.PastEpochs.put(past);
  at.state.Current.put({ index, ...next });
  const drawn = beaconAt(at, at.block.number - 1);
  const randomness = blake2_256(concat(utf8('slot/1/epoch'), drawn, littleEndian(BigInt(index), 8)));
  const { session, authorities } = validatorsOf(at) ?? next;
  at.state.Next.put({ randomness, session, authorities });
  at.emit.NewEpoch({ index, randomness: next.randomness });
}

/** The validators of the present session who may act; undefined where no session names any. */
function validatorsOf(at: Chain): Turns | undefined {
  const { CurrentIndex, DisabledValidators } = at.use(SessionDeclared).state;
  const out = DisabledValidators.get();
  const authorities = sessionAuthorities(at)
    .filter((_, place) => !out.includes(place))
    .map(({ validator, keys }) => ({ account: validator, key: keys.authoring }));
  return authorities.length > 0 ? { session: CurrentIndex.get(), authorities } : undefined;
}

/** The epoch of a slot that was; undefined where it is not kept. */
function epochOf(at: At, epoch: number): Turns | undefined {
  const current = currentOf(at);
  return epoch === current.index ? current : at.state.Past.get(epoch);
}

/** Whom a proof accuses; throws `invalid(...)` where it proves nothing that counts here. */
function judged(at: At, proof: SlotEquivocation): Accused {
  const accused = accusedBy(proof);
  if (accused === undefined) throw invalid('BadProof');
  const epoch = epochAt(accused.slot, at.const.EpochSlots);
  if (epoch > currentOf(at).index) throw invalid('Future');
  const key = epochOf(at, epoch)?.authorities.find(({ account }) => equal(account, accused.author))?.key;
  if (key === undefined) throw invalid('AncientBirthBlock');
  if (at.state.Reported.get(epoch).some((one) => equal(one, accused.author))) throw invalid('Stale');
  const verify = (signature: Bytes, message: Bytes, by: Bytes): boolean =>
    at.host.verify({ type: 'Sr25519', value: signature }, message, by);
  if (!provesEquivocation(proof, { genesis: genesisHash(at), key, verify })) throw invalid('BadProof');
  return accused;
}

/** An equivocation was proven: it is written down, and costs what is bonded where anything is. */
function punish(at: At, { author, slot }: Accused): void {
  const epoch = epochAt(slot, at.const.EpochSlots);
  at.state.Reported.mutate(epoch, (before) => [...before, author]);
  at.emit.Equivocated({ author, slot });
  const { session } = must(epochOf(at, epoch), 'an epoch that was judged');
  if (!at.use(SessionDeclared).state.Validators.has()) return;
  reportOffence(at, { kind: 'slots:equivoc', session, timeSlot: Slot.enc(slot), offenders: [author] });
}
