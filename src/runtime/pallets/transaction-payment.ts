/**
 * # TransactionPayment: what a transaction costs, and who gets it.
 *
 * Always true: a signed sender pays base + length + weight fee and tip before his call runs, whether or not it
 * succeeds. What block h collects is paid out when h+1 begins, to the author that h's sealed header names; until then
 * the pallet holds it, so that execution never depends on who will win the block.
 */
import { clamp, mulDivFloor, PERBILL } from '../../base/fixed.ts';
import { named, option, struct, u8, u128 } from '../../codec/index.ts';
import { itemsOf, POW_ENGINE, SLOT_ENGINE } from '../../primitives/digest.ts';
import type { Header } from '../../primitives/header.ts';
import type { DispatchInfo } from '../calls.ts';
import type { Chain } from '../chain.ts';
import { constant, event, pallet, rules, type Scope } from '../pallet.ts';
import { map, value } from '../storage.ts';
import { AccountId, Balance } from '../types.ts';
import { blockWeights } from '../weights.ts';
import { burn, credit, withdraw } from './balances.ts';
import { System } from './system.ts';

/** 18 decimals. */
const FIXED_ONE = 1_000_000_000_000_000_000n;
const FixedU128 = named('sp_arithmetic::fixed_point::FixedU128', u128);

const Declared = pallet('TransactionPayment', {
  index: 6,
  doc: 'Fees of transactions.',
  constants: {
    OperationalFeeMultiplier: constant('What an operational call’s fee counts in priority.', u8, () => 5),
  },
  storage: {
    NextFeeMultiplier: value('What weight costs, times 10^18; follows how full blocks are.', FixedU128, FIXED_ONE),
    Collected: value('Fees and tips of the present block.', Balance, 0n),
    Owed: map('Fees earned by authors whom so little cannot open an account.', AccountId, Balance),
    OwedTotal: value('Sum of Owed.', Balance, 0n),
  },
  events: {
    TransactionFeePaid: event('A transaction was paid for.', { who: AccountId, actual_fee: Balance, tip: Balance }),
  },
});
type At = Scope<typeof Declared>;

export const TransactionPayment = rules(Declared, {
  hooks: {
    on_initialize: payParentAuthor,
    on_finalize(at) {
      at.state.NextFeeMultiplier.mutate((multiplier) => nextMultiplier(at, multiplier));
    },
  },
  holdings: (at) => at.state.Collected.get() + at.state.OwedTotal.get(),
  invariant(at) {
    let owed = 0n;
    for (const [, amount] of at.state.Owed.entries()) owed += amount;
    return owed === at.state.OwedTotal.get() || 'Owed does not sum to OwedTotal';
  },
});

const InclusionFee = struct(
  { base_fee: Balance, len_fee: Balance, adjusted_weight_fee: Balance },
  { path: 'pallet_transaction_payment::types::InclusionFee' },
);
export const FeeDetails = struct(
  { inclusion_fee: option(InclusionFee), tip: Balance },
  { path: 'pallet_transaction_payment::types::FeeDetails' },
);

/** The parts of the fee of an extrinsic of `length` bytes. */
export function inclusionFee(chain: Chain, info: DispatchInfo, length: number) {
  const { fees } = chain.spec;
  const multiplier = chain.use(Declared).state.NextFeeMultiplier.get();
  return {
    base_fee: fees.base,
    len_fee: lengthFee(chain, length),
    adjusted_weight_fee: mulDivFloor(weightFee(chain, info.weight.ref_time), multiplier, FIXED_ONE),
  };
}

/** What `length` bytes cost. */
export function lengthFee(chain: Chain, length: number): bigint {
  return BigInt(length) * chain.spec.fees.perByte;
}

/** What so much weight costs while the multiplier is 1. */
export function weightFee(chain: Chain, refTime: bigint): bigint {
  return mulDivFloor(refTime, chain.spec.fees.perMegaWeight, 1_000_000n);
}

/** Fee and tip of a signed extrinsic. */
export function totalFee(chain: Chain, info: DispatchInfo, length: number, tip: bigint): bigint {
  if (!info.paysFee) return tip;
  const { base_fee, len_fee, adjusted_weight_fee } = inclusionFee(chain, info, length);
  return base_fee + len_fee + adjusted_weight_fee + tip;
}

/** Takes a fee from its payer, who must stay open; fails with Balances' errors. */
export function collect(chain: Chain, who: AccountId, fee: bigint): void {
  withdraw(chain, who, fee, 'preserve');
  if (fee > 0n) chain.use(Declared).state.Collected.mutate((sum) => sum + fee);
}

/** Gives back `amount` of a fee that was collected; 0 where the payer's account, closed meanwhile, cannot take it. */
export function refund(chain: Chain, who: AccountId, amount: bigint): bigint {
  if (amount === 0n || !credit(chain, who, amount)) return 0n;
  chain.use(Declared).state.Collected.mutate((sum) => sum - amount);
  return amount;
}

/** Says that a fee was paid. */
export function reportFee(chain: Chain, who: AccountId, actual_fee: bigint, tip: bigint): void {
  chain.use(Declared).emit.TransactionFeePaid({ who, actual_fee, tip });
}

const ACCOUNT_BYTES = 32;

/** The account that a header's `pow_` or `slot` PreRuntime names: its first 32 bytes. */
export function headerAuthor({ digest }: Header): AccountId | undefined {
  const data = itemsOf(digest, 'PreRuntime', POW_ENGINE)[0] ?? itemsOf(digest, 'PreRuntime', SLOT_ENGINE)[0];
  return data === undefined || data.length < ACCOUNT_BYTES ? undefined : data.slice(0, ACCOUNT_BYTES);
}

function payParentAuthor(at: At): void {
  const collected = at.state.Collected.take();
  if (collected === 0n) return;
  const author = headerAuthor(at.block.parent.header);
  const pay = author === undefined ? 0n : mulDivFloor(collected, at.spec.fees.authorPerbill, PERBILL);
  if (author !== undefined) payOrOwe(at, author, pay);
  const { rest } = at.spec.fees;
  if (rest === 'burn') burn(at, collected - pay);
  else payOrOwe(at, rest, collected - pay);
}

function payOrOwe(at: At, who: AccountId, amount: bigint): void {
  const owed = at.state.Owed.get(who) ?? 0n;
  if (credit(at, who, amount + owed)) {
    if (owed > 0n) at.state.Owed.delete(who);
    at.state.OwedTotal.mutate((sum) => sum - owed);
  } else {
    at.state.Owed.put(who, amount + owed);
    at.state.OwedTotal.mutate((sum) => sum + amount);
  }
}

// Polkadot's adjustment (pallet_transaction_payment::TargetedFeeAdjustment): a quarter full is the aim, and a day of
// full blocks of 12 s raises the price by half.
const TARGET_PERCENT = 25n;
const ADJUSTMENT = (FIXED_ONE * 75n) / 1_000_000n;
const MAX_MULTIPLIER = FIXED_ONE * 1_000_000n;

/** `m * (1 + v*d + (v*d)^2 / 2)`, d = fullness of normal weight less the target; never below 1. */
function nextMultiplier(at: At, multiplier: bigint): bigint {
  const limit = blockWeights(at.spec.blockWeightPs).per_class.normal.max_total?.ref_time ?? 1n;
  const used = at.use(System).state.BlockWeight.get().normal.ref_time;
  const target = (limit * TARGET_PERCENT) / 100n;
  const distance = used > target ? used - target : target - used;
  const first = mulDivFloor(ADJUSTMENT, distance, limit);
  const second = mulDivFloor(first, first, 2n * FIXED_ONE);
  const change = used > target ? first + second : second - first;
  return clamp(multiplier + (multiplier * change) / FIXED_ONE, FIXED_ONE, MAX_MULTIPLIER);
}
