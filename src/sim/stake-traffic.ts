/**
 * # Stake traffic: what people of a chain of stake send: bonds, votes, keys, money, and work.
 *
 * Always true: whoever is honest asks for his seat back when he lost it, and keeps most of his bond; all else is drawn.
 * Calls may fail, as calls do. What is sent follows from the dice and from the state that the node has which is asked.
 */
import { must } from '../base/assert.ts';
import { type Bytes, concat, equal, utf8 } from '../base/bytes.ts';
import { struct } from '../codec/index.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { multiSign } from '../primitives/account.ts';
import { bareExtrinsic, signExtrinsic } from '../primitives/extrinsic.ts';
import { receiptOf } from '../primitives/fragment.ts';
import { reader } from '../runtime/access.ts';
import { authorOf, dutiesFor, workFor } from '../runtime/compute-view.ts';
import type { CallRule, Declared, Fields, Pallet } from '../runtime/pallet.ts';
import { bareMessage, signedArgs } from '../runtime/pallets/bare.ts';
import { authorMessage, ComputePow } from '../runtime/pallets/compute-pow.ts';
import { Jobs } from '../runtime/pallets/jobs.ts';
import { OwnershipProof, ownershipMessage } from '../runtime/pallets/session/keys.ts';
import { SessionDeclared } from '../runtime/pallets/session.ts';
import { StakingDeclared } from '../runtime/pallets/staking.ts';
import { System } from '../runtime/pallets/system.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { StateTree } from '../state/tree.ts';
import type { Dice } from './dice.ts';
import type { SimNode } from './node.ts';
import { CHECKERS, ELECTORS, MINERS, type Person, type StakeMember, sayWith, TRANSCRIPT, UNIT } from './stake-chain.ts';

/** Of what workers could say, so much is said at a time. */
const SAID = 6;
/** Of a thousand times that somebody sends something, so often one of the weak does, too. */
const HIDING = 500;
/** Days of the shortest time lock. */
const LOCK_DAYS = 30;

interface Act {
  readonly by: Person;
  readonly pallet: string;
  readonly call: string;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface TrafficParts {
  readonly runtime: Runtime;
  readonly genesis: Bytes;
  readonly members: readonly StakeMember[];
  /** Who may misbehave. */
  readonly weak: ReadonlySet<number>;
}

export class StakeTraffic {
  private readonly parts: TrafficParts;

  constructor(parts: TrafficParts) {
    this.parts = parts;
  }

  /** What comes next, by the state that the node takes for the best. */
  next(node: SimNode, dice: Dice): Bytes[] {
    const { store } = node.machines;
    const view = must(store.view(store.best.hash), 'the best block has its state');
    const out = [this.signed(node, view, this.drawn(view, dice))];
    const shifty = this.hiding(view, dice);
    if (shifty !== undefined) out.push(this.signed(node, view, shifty));
    const back = this.returning(view);
    if (back !== undefined) out.push(this.signed(node, view, back));
    return [...out, ...this.work(view, store.best.number, dice)];
  }

  private signed(node: SimNode, view: StateTree, { by, pallet, call, args }: Act): Bytes {
    const { runtime, genesis } = this.parts;
    const { spec_version: specVersion, transaction_version: transactionVersion } = runtime.version;
    const inState = reader(System.declared, view).Account.get(by.account).nonce;
    const nonce = node.machines.pool.nextNonce(by.account, inState);
    const extra = { era: { type: 'Immortal' as const }, nonce, tip: 0n };
    const implicit = { specVersion, transactionVersion, genesisHash: genesis, birthHash: genesis };
    const bytes = runtime.Call.enc({ type: pallet, value: { type: call, value: args } });
    return signExtrinsic(bytes, extra, implicit, by.wallet).bytes;
  }

  // ---- stake

  /** An honest validator who lost his seat, because he was not heard for an era, stands again. */
  private returning(view: StateTree): Act | undefined {
    const { Validators } = reader(StakingDeclared, view);
    const { members, weak } = this.parts;
    const lost = members.find((one, index) => !weak.has(index) && !Validators.has(one.account));
    return lost && stand(lost);
  }

  /** Who has something to fear acts more often than others. */
  private hiding(view: StateTree, dice: Dice): Act | undefined {
    const { members, weak } = this.parts;
    if (weak.size === 0 || !dice.permille(HIDING)) return undefined;
    return this.shifty(must(members[dice.pick([...weak])], 'a member'), view, dice);
  }

  private drawn(view: StateTree, dice: Dice): Act {
    const { members, weak } = this.parts;
    const index = dice.below(members.length + ELECTORS.length);
    const one = members[index];
    if (one === undefined) return this.elector(must(ELECTORS[index - members.length], 'an elector'), view, dice);
    return weak.has(index) ? this.shifty(one, view, dice) : this.steady(one, view, dice);
  }

  /** Of a validator who stays. */
  private steady(by: StakeMember, view: StateTree, dice: Dice): Act {
    return dice.pick<() => Act>([
      () => staking(by, 'bond_extra', { max_additional: amount(dice, 20) }),
      () => staking(by, 'unbond', { value: amount(dice, 10) }),
      () => staking(by, 'rebond', { value: amount(dice, 10) }),
      () => withdrawal(by),
      () => this.keys(by, view, dice),
      () => this.keys(by, view, dice),
      () => staking(by, 'pledge', { amount: amount(dice, 30), days: LOCK_DAYS }),
      () => staking(by, 'kick', { who: [id(dice.pick(ELECTORS))] }),
      () => stand(by, dice.below(100)),
      () => this.claim(by, view, dice),
      () => this.transfer(by, dice),
    ])();
  }

  /** Of a validator who would rather keep what he has at stake. */
  private shifty(by: StakeMember, view: StateTree, dice: Dice): Act {
    return dice.pick<() => Act>([
      () => stand(by),
      () => stand(by),
      () => stand(by),
      () => staking(by, 'chill', {}),
      () => ({ by, pallet: 'Session', call: 'purge_keys', args: {} }),
      () => staking(by, 'unbond', { value: amount(dice, 90) }),
      () => staking(by, 'unbond', { value: amount(dice, 90) }),
      () => staking(by, 'rebond', { value: amount(dice, 90) }),
      () => withdrawal(by),
      () => this.keys(by, view, dice),
      () => this.claim(by, view, dice),
    ])();
  }

  private elector(by: Person, view: StateTree, dice: Dice): Act {
    if (!reader(StakingDeclared, view).Ledger.has(by.account)) {
      return staking(by, 'bond', { value: amount(dice, 40) + 10n * UNIT, payee: { type: 'Staked' } });
    }
    return dice.pick<() => Act>([
      () => this.nomination(by, dice),
      () => this.nomination(by, dice),
      () => staking(by, 'bond_extra', { max_additional: amount(dice, 10) }),
      () => staking(by, 'unbond', { value: amount(dice, 70) }),
      () => staking(by, 'rebond', { value: amount(dice, 70) }),
      () => withdrawal(by),
      () => staking(by, 'chill', {}),
      () => staking(by, 'pledge', { amount: amount(dice, 30), days: LOCK_DAYS }),
      () => staking(by, 'end_pledge', { index: dice.below(2) }),
      () => this.claim(by, view, dice),
      () => this.transfer(by, dice),
    ])();
  }

  private nomination(by: Person, dice: Dice): Act {
    const targets = dice.shuffled(this.parts.members).slice(0, 1 + dice.below(3));
    return staking(by, 'nominate', { targets: targets.map(id) });
  }

  private transfer(by: Person, dice: Dice): Act {
    const dest = id(dice.pick([...this.parts.members, ...ELECTORS, ...MINERS]));
    const call = dice.permille(500) ? 'transfer_allow_death' : 'transfer_keep_alive';
    return { by, pallet: 'Balances', call, args: { dest, value: amount(dice, 5) } };
  }

  private claim(by: Person, view: StateTree, dice: Dice): Act {
    const era = reader(StakingDeclared, view).ActiveEra.get()?.index ?? 0;
    const who = dice.pick([...this.parts.members, ...ELECTORS]).account;
    return staking(by, 'claim', { who, era: Math.max(0, era - 1 - dice.below(2)) });
  }

  /** Other keys of the node, from the next session on. */
  private keys(by: StakeMember, view: StateTree, dice: Dice): Act {
    const now = reader(SessionDeclared, view).NextKeys.get(by.account);
    const others = by.keySets.filter(({ keys }) => now === undefined || !equal(keys.grandpa, now.grandpa));
    const { keys, authoring } = dice.pick(others);
    const message = ownershipMessage(this.parts.genesis, by.account, keys);
    const proof = OwnershipProof.enc({
      grandpa: sayWith(keys.grandpa, message),
      authoring: authoring.sign(message),
      compute: sayWith(keys.compute, message),
    });
    return { by, pallet: 'Session', call: 'set_keys', args: { keys, proof } };
  }

  // ---- work

  /** Some of what miners and checkers owe. */
  private work(view: StateTree, height: number, dice: Dice): Bytes[] {
    const owed = [...MINERS.flatMap((one) => this.mining(one, view, height)), ...this.checking(view, dice)];
    return dice.shuffled(owed).slice(0, SAID);
  }

  private mining(one: (typeof MINERS)[number], view: StateTree, height: number): Bytes[] {
    if (authorOf(view, one.account) === undefined) return [this.registration(one, view, height)];
    const { fragments, reveals } = workFor(view, one.account);
    const claims = fragments
      .filter(({ status, overflow }) => status.type === 'Assigned' && !overflow)
      .map(({ id: fragment }) => {
        const said = { fragment, transcript: TRANSCRIPT, state_root: stateOf(fragment), delta: stateOf(fragment) };
        return this.bare(Jobs, 'claim', said, one.key);
      });
    const opened = reveals.map(({ fragment, states }) => {
      const open = states.map((index) => ({ index, root: stateOf(fragment), path: [] }));
      return this.bare(
        Jobs,
        'reveal',
        { fragment, rs: TRANSCRIPT, rl: TRANSCRIPT, rg: TRANSCRIPT, states: open },
        one.key,
      );
    });
    return [...claims, ...opened];
  }

  private registration({ account, key, wallet }: (typeof MINERS)[number], view: StateTree, height: number): Bytes {
    const anchor = Math.max(0, height - 1);
    const hash = reader(System.declared, view).BlockHash.get(anchor);
    const proof = Array.from({ length: 32 }, (_, attempt) => ({ attempt, ti: 0, tj: 0, s: 0 }));
    const account_signature = multiSign(wallet, authorMessage(this.parts.genesis, key, hash));
    return this.bare(ComputePow, 'register', { account, anchor, proof, account_signature }, key);
  }

  /** One verdict of ten refuses what was done. */
  private checking(view: StateTree, dice: Dice): Bytes[] {
    return CHECKERS.flatMap(({ account, key }) => {
      const { segments, merges } = dutiesFor(view, account);
      const checks = segments.map(({ fragment: { id: fragment }, segment, receiptAt }) => {
        const [digest, salt] = [stateOf(fragment), stateOf(fragment)];
        if (receiptAt === undefined) {
          return this.bare(Jobs, 'receipt', { fragment, segment, receipt: receiptOf(account, salt, digest) }, key);
        }
        return this.bare(Jobs, 'verdict', { fragment, segment, accept: !dice.permille(100), digest, salt }, key);
      });
      const votes = merges.map(({ job, r }) => {
        const said = { job, r, theta: stateOf(job), outer: stateOf(job), loss: 0x40000000, account };
        return this.bare(Jobs, 'merge', said, key);
      });
      return [...checks, ...votes];
    });
  }

  /** A call that a compute key signs. */
  private bare<D extends Declared>(of: Pallet<D>, name: string, args: Record<string, unknown>, key: Bytes): Bytes {
    const rule = must(of.calls[name], `${name} exists`) as unknown as CallRule<Declared, Fields>;
    const { key: _key, signature: _signature, ...own } = rule.args;
    const keyed = { ...args, key };
    const signature = sayWith(key, bareMessage(name, this.parts.genesis, signedArgs(own).enc(keyed as never)));
    const encoded = struct(rule.args).enc({ ...keyed, signature } as never);
    return bareExtrinsic(concat(Uint8Array.of(of.declared.index, rule.index), encoded)).bytes;
  }
}

const id = ({ account }: Person) => ({ type: 'Id', value: account });
const amount = (dice: Dice, most: number) => BigInt(dice.between(1, most)) * UNIT;
/** What a training leaves: made up. */
const stateOf = (fragment: Bytes) => blake2_256(concat(utf8('state'), fragment));

function staking(by: Person, call: string, args: Readonly<Record<string, unknown>>): Act {
  return { by, pallet: 'Staking', call, args };
}

function stand(by: Person, commission = 0): Act {
  return staking(by, 'validate', { prefs: { commission, blocked: false } });
}

function withdrawal(by: Person): Act {
  return staking(by, 'withdraw_unbonded', { num_slashing_spans: 0 });
}
