/** # WalletChain: a chain with the pallets that wallets expect, and a pallet that makes calls as root. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Bytes } from '../../src/base/bytes.ts';
import { type Keypair, keypairFromSeed } from '../../src/crypto/keypair.ts';
import {
  type Link,
  linkCalls,
  type PalletSource,
  type RuntimeCall,
  type RuntimeEvent,
} from '../../src/runtime/calls.ts';
import { type DispatchError, passOn } from '../../src/runtime/errors.ts';
import { type Pallet, pallet, rules } from '../../src/runtime/pallet.ts';
import { CORE_PALLETS } from '../../src/runtime/pallets.ts';
import { alice, call, HOST, TestChain, type TestChainOptions, transferCall, UNIT } from './test-chain.ts';

const HelmDeclared = pallet('Helm', { index: 98, doc: 'Anyone is root, for tests.' });

/** Makes a call as root. */
function helm(link: Link): Pallet<typeof HelmDeclared> {
  return rules(HelmDeclared, {
    calls: {
      steer: {
        index: 0,
        doc: 'Makes a call as root.',
        args: { call: link.Call },
        weight: ({ call: inner }) => link.info(inner).weight,
        run(at, { call: inner }) {
          const error = at.dispatch(inner, { type: 'root' });
          if (error !== undefined) throw passOn(error);
        },
      },
    },
  });
}

export const asRoot = (inner: RuntimeCall): RuntimeCall => call('Helm', 'steer', { call: inner });

const WITH_HELM: readonly PalletSource[] = [...CORE_PALLETS, helm];
const ERRORS = new Map(
  linkCalls(WITH_HELM).pallets.map(({ declared }) => [
    declared.index,
    [...declared.errorIndex.keys()].map((name) => `${declared.name}.${name}`),
  ]),
);

/** `Multisig.NotFound`, `Token.Frozen`, `BadOrigin`. */
function errorName(error: DispatchError): string {
  if (error.type === 'Module') return ERRORS.get(error.value.index)?.[error.value.error[0] ?? 0] ?? 'unknown';
  return error.value === undefined ? error.type : `${error.type}.${error.value.type}`;
}

export class WalletChain extends TestChain {
  constructor(options: TestChainOptions = {}) {
    super({ pallets: WITH_HELM, ...options });
    // Nobody that a test looks at earns the fees.
    this.author = new Uint8Array(32).fill(0xaa);
  }

  /** Makes a block of one call; returns how it failed, if it did, and what happened. */
  make(
    pair: Keypair,
    of: RuntimeCall,
  ): { readonly error: string | undefined; readonly events: readonly RuntimeEvent[] } {
    const { outcomes, events } = this.block([this.signed(pair, of)]);
    const [first] = outcomes;
    assert.ok(first?.applied, 'the transaction is valid');
    return { error: first.error && errorName(first.error), events };
  }

  /** Makes a call that must succeed; returns what happened. */
  does(pair: Keypair, of: RuntimeCall): readonly RuntimeEvent[] {
    const { error, events } = this.make(pair, of);
    assert.equal(error, undefined);
    return events;
  }

  reserved(who: Bytes): bigint {
    return this.system.Account.get(who).data.reserved;
  }

  /** All that accounts have in reserve. */
  allReserved(): bigint {
    return [...this.system.Account.entries()].reduce((sum, [, { data }]) => sum + data.reserved, 0n);
  }
}

/** The fields of the only event of this name. */
export function fieldsOf(events: readonly RuntimeEvent[], name: string): Readonly<Record<string, unknown>> {
  const found = events.filter(({ type, value }) => `${type}.${value.type}` === name);
  assert.equal(found.length, 1, name);
  return found[0]?.value.value ?? {};
}

export const id = (value: Bytes) => ({ type: 'Id', value }) as const;

/** Accounts for random calls: signatures are not checked, five have balances. */
export const CROWD = [1, 2, 3, 4, 5, 6].map((seed) => keypairFromSeed('ed25519', new Uint8Array(32).fill(seed)));
export const member = fc.nat(CROWD.length - 1).map((index) => CROWD[index] ?? alice);
const anAmount = fc.bigInt(0n, 3n * UNIT);
export const aTransfer = fc
  .tuple(fc.constantFrom('transfer_allow_death', 'transfer_keep_alive'), member, anAmount)
  .map(([name, to, value]) => transferCall(name, to.accountId, value));

/** A call, and who makes it. */
export interface Step {
  readonly by: Keypair;
  readonly of: RuntimeCall;
}

/** A call made by anyone. */
export const byAnyone = (calls: fc.Arbitrary<RuntimeCall>): fc.Arbitrary<Step> => fc.record({ by: member, of: calls });

/** Whatever a crowd calls in whatever order, every invariant holds after every block; `look` sees the chain then. */
export function whateverIsCalled(
  step: fc.Arbitrary<Step>,
  look: (chain: WalletChain) => void = () => undefined,
  numRuns = 40,
): void {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
      const balances = CROWD.slice(0, 5).map(({ accountId }) => [accountId, 20n * UNIT] as const);
      const chain = new WalletChain({ host: { ...HOST, verify: () => true }, balances });
      for (let i = 0; i < steps.length; i += 4) {
        const nonces = new Map<Keypair, number>();
        const block = steps.slice(i, i + 4).map(({ by, of }) => {
          const nonce = nonces.get(by) ?? chain.system.Account.get(by.accountId).nonce;
          nonces.set(by, nonce + 1);
          return chain.signed(by, of, { nonce });
        });
        // Every invariant of every pallet is checked inside, on both sides.
        chain.block(block);
        look(chain);
      }
      // What was put off comes due.
      for (let i = 0; i < 6; i++) chain.block();
      look(chain);
    }),
    { numRuns },
  );
}
