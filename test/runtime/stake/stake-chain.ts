/** # StakeChain: a chain with validators, in memory, checked by all invariants and the supply audit in every block. */
import assert from 'node:assert/strict';
import { type Bytes, toHex, utf8 } from '../../../src/base/bytes.ts';
import { blake2_256 } from '../../../src/crypto/hash.ts';
import { type Keypair, keypairFromSeed } from '../../../src/crypto/keypair.ts';
import { ss58Encode } from '../../../src/crypto/ss58.ts';
import { reader } from '../../../src/runtime/access.ts';
import type { PalletSource } from '../../../src/runtime/calls.ts';
import type { Chain } from '../../../src/runtime/chain.ts';
import { supplyAudit } from '../../../src/runtime/compute-view.ts';
import { pallet, rules } from '../../../src/runtime/pallet.ts';
import { PALLETS } from '../../../src/runtime/pallets/index.ts';
import { OffencesDeclared } from '../../../src/runtime/pallets/offences.ts';
import { RewardsDeclared } from '../../../src/runtime/pallets/rewards.ts';
import { OwnershipProof, ownershipMessage, type SessionKeys } from '../../../src/runtime/pallets/session/keys.ts';
import { SessionDeclared } from '../../../src/runtime/pallets/session.ts';
import { StakingDeclared } from '../../../src/runtime/pallets/staking.ts';
import { DEFAULT_SPEC, type RuntimeSpec, type StakingSpec } from '../../../src/runtime/spec.ts';
import { type BuiltBlock, call, TestChain } from '../test-chain.ts';

export const UNIT = 1_000_000_000_000n;
const ENDOWMENT = 10_000n * UNIT;

/** Sessions of 4 blocks, eras of 3 sessions, 3 eras of unbonding. */
export const STAKING: StakingSpec = {
  ...DEFAULT_SPEC.staking,
  sessionBlocks: 4,
  sessionsPerEra: 3,
  bondingEras: 3,
  seats: 4,
  minBond: 10n * UNIT,
  maxCandidates: 20,
  maxVoters: 1_000,
  bootstrapTarget: 1_000n * UNIT,
};
export const ERA = STAKING.sessionBlocks * STAKING.sessionsPerEra;

/** Somebody with an account, and a node with keys. */
export interface Somebody {
  readonly account: Bytes;
  readonly wallet: Keypair;
  readonly grandpa: Keypair;
  readonly authoring: Keypair;
  readonly compute: Keypair;
  readonly keys: SessionKeys;
}

const known = new Map<string, Somebody>();

/** The somebody of this name. */
export function somebody(name: string): Somebody {
  const before = known.get(name);
  if (before !== undefined) return before;
  const seed = (what: string) => blake2_256(utf8(`${name}/${what}`));
  const wallet = keypairFromSeed('ed25519', seed('wallet'));
  const grandpa = keypairFromSeed('ed25519', seed('grandpa'));
  const authoring = keypairFromSeed('sr25519', seed('authoring'));
  const compute = keypairFromSeed('ed25519', seed('compute'));
  const keys = { grandpa: grandpa.publicKey, authoring: authoring.publicKey, compute: compute.publicKey };
  const made = { account: wallet.accountId, wallet, grandpa, authoring, compute, keys };
  known.set(name, made);
  return made;
}

const address = (who: Somebody) => ss58Encode(who.account, 42);

export interface StakeOptions {
  readonly staking?: Partial<StakingSpec>;
  readonly spec?: Partial<RuntimeSpec>;
  /** Who holds keys from the start. */
  readonly keyed?: readonly Somebody[];
  readonly stakers?: readonly (readonly [Somebody, bigint, 'Idle' | 'Validator' | readonly Somebody[]])[];
  readonly bootstrap?: readonly Somebody[];
  readonly endowed?: readonly Somebody[];
  /** Runs in `on_initialize` of a pallet of its own, the last one: what other pallets would do. */
  readonly hook?: (at: Chain) => void;
  readonly pallets?: readonly PalletSource[];
  readonly pool?: bigint;
  readonly endowment?: bigint;
}

const Hook = pallet('TestHook', { index: 99, doc: 'What other pallets would do, for tests.' });

export class StakeChain extends TestChain {
  constructor(options: StakeOptions = {}) {
    const { keyed = [], stakers = [], bootstrap = [], endowed = [], hook, pool = 1_000_000n * UNIT } = options;
    const people = new Map(
      [...keyed, ...bootstrap, ...stakers.map(([who]) => who), ...endowed].map((p) => [toHex(p.account), p]),
    );
    const extra = hook === undefined ? [] : [rules(Hook, { hooks: { on_initialize: (at) => hook(at) } })];
    super({
      pallets: [...(options.pallets ?? PALLETS), ...(extra as unknown as PalletSource[])],
      spec: { settleDepth: 2, eraBlocks: 6, ...options.spec, staking: { ...STAKING, ...options.staking } },
      balances: [...people.values()].map((p) => [p.account, options.endowment ?? ENDOWMENT] as const),
      genesis: {
        rewards: { pool: pool.toString() },
        session: {
          keys: keyed.map((p) => {
            const { grandpa, authoring, compute } = p.keys;
            return [
              address(p),
              address(p),
              { grandpa: toHex(grandpa), authoring: toHex(authoring), compute: toHex(compute) },
            ];
          }),
        },
        staking: {
          stakers: stakers.map(([who, bond, vote]) => [
            address(who),
            bond.toString(),
            typeof vote === 'string' ? vote : { Nominator: vote.map(address) },
          ]),
          bootstrap: bootstrap.map(address),
        },
      },
    });
  }

  get staking() {
    return reader(StakingDeclared, this.tree);
  }

  get session() {
    return reader(SessionDeclared, this.tree);
  }

  get offences() {
    return reader(OffencesDeclared, this.tree);
  }

  get rewards() {
    return reader(RewardsDeclared, this.tree);
  }

  get number(): number {
    return this.header.number;
  }

  override block(extrinsics: readonly Bytes[] = [], timestampMs = this.time(1)): BuiltBlock {
    const built = super.block(extrinsics, timestampMs);
    const audit = supplyAudit(this.tree);
    assert.ok(audit.exact, `block ${this.number}: ${audit.sum} of ${audit.genesis}`);
    return built;
  }

  /** A block with calls, each of which must do what it says. */
  does(...calls: readonly (readonly [Somebody, string, Readonly<Record<string, unknown>>])[]): BuiltBlock {
    const built = this.tries(...calls);
    for (const [i, outcome] of built.outcomes.entries()) {
      const wrong = !outcome.applied || outcome.error !== undefined;
      assert.ok(!wrong, `${calls[i]?.[1]}: ${JSON.stringify(outcome, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`);
    }
    return built;
  }

  /** A block with calls: `Pallet.call`. */
  tries(...calls: readonly (readonly [Somebody, string, Readonly<Record<string, unknown>>])[]): BuiltBlock {
    const nonces = new Map<string, number>();
    const signed = calls.map(([who, name, args]) => {
      const key = toHex(who.account);
      const nonce = nonces.get(key) ?? this.system.Account.get(who.account).nonce;
      nonces.set(key, nonce + 1);
      const [of = '', method = ''] = name.split('.');
      return this.signed(who.wallet, call(of, method, args), { nonce });
    });
    return this.block(signed);
  }

  /** Empty blocks up to a height. */
  to(number: number): void {
    while (this.number < number) this.block();
  }

  /** Empty blocks until an era has begun. */
  toEra(era: number): void {
    this.to(ERA * era + 1);
  }

  /** Who validates, by name. */
  names(of: readonly Somebody[]): string[] {
    return this.session.Validators.get().map((who) => {
      const found = of.findIndex((one) => toHex(one.account) === toHex(who));
      return found < 0 ? '?' : `${found}`;
    });
  }

  /** A proof that a node holds its keys. */
  ownership(who: Somebody, keys: SessionKeys = who.keys, account = who.account): Bytes {
    const message = ownershipMessage(this.genesisHash, account, keys);
    return OwnershipProof.enc({
      grandpa: who.grandpa.sign(message),
      authoring: who.authoring.sign(message),
      compute: who.compute.sign(message),
    });
  }

  /** Units held for a bond. */
  held(who: Somebody): bigint {
    return this.balances.Holds.get(who.account).reduce((sum, { amount }) => sum + amount, 0n);
  }
}

/** The error of a call that failed, by its index in the pallet; undefined where it did not. */
export function errorOf(
  chain: StakeChain,
  pallet: { readonly errorIndex: ReadonlyMap<string, number> },
  built: BuiltBlock,
  index = 0,
): string | undefined {
  const outcome = built.outcomes[index];
  if (outcome === undefined || !outcome.applied) return 'refused';
  const { error } = outcome;
  if (error === undefined) return undefined;
  if (error.type !== 'Module') return error.type;
  const code = error.value.error[0];
  return [...pallet.errorIndex].find(([, place]) => place === code)?.[0] ?? `error ${code} at ${chain.number}`;
}
