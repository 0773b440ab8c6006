/**
 * # Mutants: planted bugs, each a part that the simulator puts in the place of the right one.
 *
 * Always true: nothing of src knows them; each changes one rule, and nothing else.
 */
import { type Bytes, equal } from '../../src/base/bytes.ts';
import { Chain, type ChainEffect } from '../../src/consensus/chain.ts';
import { DepthFinality } from '../../src/consensus/finality/depth.ts';
import { Grandpa } from '../../src/consensus/finality/grandpa.ts';
import { NO_BOOST } from '../../src/runtime/boost.ts';
import type { PalletSource } from '../../src/runtime/calls.ts';
import type { Chain as Chained } from '../../src/runtime/chain.ts';
import type { Pallet } from '../../src/runtime/pallet.ts';
import { ComputePowDeclared } from '../../src/runtime/pallets/compute-pow.ts';
import { type SessionManager, session } from '../../src/runtime/pallets/session.ts';
import { planSession, StakingDeclared } from '../../src/runtime/pallets/staking.ts';
import { tellVoters } from '../../src/runtime/pallets/voters.ts';
import { type Readable, storageKey } from '../../src/runtime/storage.ts';
import type { Schedule } from '../../src/sim/plan.ts';
import type { Changes } from '../../src/sim/simulation.ts';
import type { ViceName } from '../../src/sim/vices.ts';
import type { ViolationName } from '../../src/sim/watch.ts';
import type { ChainKind } from '../../src/sim/world.ts';

export interface Mutant {
  readonly name: string;
  /** What is wrong with it. */
  readonly bug: string;
  /** What the watch must find: whatever else it finds is another bug. */
  readonly by: readonly ViolationName[];
  readonly changes: Changes;
  /** By work, if it says nothing. */
  readonly chain?: ChainKind;
  /** What all who misbehave do, where it takes that. */
  readonly vice?: ViceName;
  /** Where it shows most. */
  readonly schedules: readonly Schedule[];
}

type Method = (...args: never[]) => unknown;

/** Puts another method in the place of one, private ones included: a bug need not keep to interfaces. */
function replace<T extends object>(of: T, name: string, make: (original: Method) => Method): T {
  const original = Reflect.get(of, name) as Method;
  Reflect.set(of, name, make(original.bind(of) as Method));
  return of;
}

/** A gadget whose voters are changed as they are made. */
function withVoter(change: (voter: object, gadget: Grandpa) => void): Changes {
  return {
    make: {
      finality: (setup) => {
        const gadget = new Grandpa(setup);
        return replace(gadget, 'elect', (elect) => (now: never) => {
          elect(now);
          const voter: unknown = Reflect.get(gadget, 'voter');
          if (typeof voter === 'object' && voter !== null) change(voter, gadget);
        });
      },
    },
  };
}

function withChain(change: (chain: Chain) => void): Changes {
  return {
    make: {
      chain: (parts) => {
        const chain = new Chain(parts);
        change(chain);
        return chain;
      },
    },
  };
}

/** The effects of a chain without those of a type. */
function withoutEffect(type: ChainEffect['type']): Changes {
  return withChain((chain) => {
    replace(chain, 'step', (step) => (...args: never[]) => {
      return (step(...args) as ChainEffect[]).filter((effect) => effect.type !== type);
    });
  });
}

type Run = (at: Chained, args: never) => void;

/** The pallets of a chain of stake with another one in the place of one. */
function withPallet(name: string, change: (of: Pallet) => Pallet): (list: readonly PalletSource[]) => PalletSource[] {
  return (list) => list.map((one) => (typeof one === 'function' || one.declared.name !== name ? one : change(one)));
}

/** The pallet with another run of one of its calls. */
function withCall(name: string, change: (run: Run) => Run): (of: Pallet) => Pallet {
  return (of) => {
    const rule = of.calls[name] as unknown as { readonly run: Run };
    const calls = { ...of.calls, [name]: { ...rule, run: change(rule.run) } };
    return { ...of, calls: calls as unknown as Pallet['calls'] };
  };
}

/** While the call runs, all that unbonds is so old that it answers for nothing. */
function hidingChunks(run: Run): Run {
  return (at, args) => {
    const { Ledger } = at.use(StakingDeclared).state;
    const before = [...Ledger.entries()].filter(([, { unlocking }]) => unlocking.length > 0);
    for (const [who, ledger] of before) {
      Ledger.put(who, { ...ledger, unlocking: ledger.unlocking.map((chunk) => ({ ...chunk, era: 0 })) });
    }
    run(at, args);
    for (const [who, { unlocking }] of before) {
      const now = Ledger.get(who);
      if (now !== undefined) Ledger.put(who, { ...now, unlocking });
    }
  };
}

/** A state in which nobody has won with a boost. */
function withoutWins(view: Readable): Readable {
  const prefix = storageKey(ComputePowDeclared.storage.BoostedWins);
  return {
    get: (key) => (equal(key.subarray(0, prefix.length), prefix) ? undefined : view.get(key)),
    keys: (...args) => view.keys(...args),
  };
}

const forgetful = (setup: ConstructorParameters<typeof Grandpa>[0]) => ({ ...setup, markOf: () => undefined });

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'vote before persist',
    bug: 'a vote leaves before it is on disk',
    by: ['twoVotes'],
    changes: { make: { persists: false } },
    schedules: ['churn', 'mixed'],
  },
  {
    name: 'amnesia after restart',
    bug: 'a restarted voter has forgotten what it said',
    by: ['twoVotes'],
    changes: {
      make: {
        reload: (store) => store.putAux('grandpa/voter', undefined),
        finality: (setup) => new Grandpa(forgetful(setup)),
      },
    },
    schedules: ['churn', 'mixed'],
  },
  {
    name: 'watermark unread',
    bug: 'a voter believes its database, however old that is',
    by: ['twoVotes'],
    changes: { make: { finality: (setup) => new Grandpa(forgetful(setup)) } },
    schedules: ['churn', 'mixed'],
  },
  {
    name: 'wrong quorum',
    bug: 'more than half of the weight is taken for a supermajority',
    by: ['unproven', 'conflict', 'unfaithful'],
    changes: withVoter((_voter, gadget) => {
      const voters = Reflect.get(gadget, 'voters') as { total: bigint };
      Reflect.set(voters, 'threshold', voters.total / 2n + 1n);
    }),
    schedules: ['mixed', 'partition'],
  },
  {
    name: 'forgotten estimate',
    bug: 'a voter heeds what is final, not what the round before may have finalized',
    by: ['unfaithful', 'conflict'],
    changes: withVoter((voter) => {
      replace(voter, 'floor', () => () => Reflect.get(voter, 'finalized'));
      replace(voter, 'mayLeave', () => () => {
        const round = Reflect.get(voter, 'current') as { state: { completable: boolean } };
        return round.state.completable;
      });
    }),
    schedules: ['swizzle', 'mixed', 'partition', 'lossy'],
  },
  {
    name: 'timestamp unchecked',
    bug: 'blocks from the future are not held',
    by: ['future'],
    changes: withChain((chain) => {
      replace(chain, 'goOn', (goOn) => () => {
        const wall: number = Reflect.get(chain, 'wall');
        Reflect.set(chain, 'wall', wall + 3_600_000);
        goOn();
        Reflect.set(chain, 'wall', wall);
      });
    }),
    schedules: ['byzantine', 'mixed'],
  },
  {
    name: 'boost unbounded',
    bug: 'the boost grows with the stake without a limit',
    by: ['boost'],
    changes: {
      sealAuthor: (production) => (view, account, spec) => {
        const author = production(view, account, spec);
        return author && { ...author, boostPpm: NO_BOOST + 4 * (author.boostPpm - NO_BOOST) };
      },
    },
    schedules: ['calm'],
  },
  {
    name: 'boosted wins uncounted',
    bug: 'a boost is given for every win of an account that has stake, however many they are',
    by: ['boost'],
    changes: {
      sealAuthor: (production) => (view, account, spec) => production(withoutWins(view), account, spec),
    },
    schedules: ['calm'],
  },
  {
    name: 'schedule of another time',
    bug: 'the schedule aims at a block in twice the block time',
    by: ['difficulty'],
    changes: { difficulty: (rules) => ({ ...rules, blockTimeMs: 2 * rules.blockTimeMs }) },
    schedules: ['calm'],
  },
  {
    name: 'stake counted twice',
    bug: 'a nominator is counted with both of his validators',
    by: ['set', 'unfaithful'],
    changes: { authorities: (list) => [...list, ...list.slice(0, 1)] },
    schedules: ['calm'],
  },
  {
    name: 'signatures unchecked',
    bug: 'what is said in the name of a voter is taken for his',
    by: ['framed', 'unproven'],
    changes: { verify: () => true },
    schedules: ['byzantine', 'mixed'],
  },
  {
    name: 'catch-up not verified',
    bug: 'the votes of a record that was asked for are taken as they come',
    by: ['framed', 'unproven'],
    changes: withVoter((voter) => {
      replace(voter, 'catchUp', (catchUp) => (...args: never[]) => {
        const setup: object = Reflect.get(voter, 'setup');
        Reflect.set(voter, 'setup', { ...setup, verify: () => true });
        catchUp(...args);
        Reflect.set(voter, 'setup', setup);
      });
    }),
    schedules: ['mixed', 'churn', 'partition', 'swizzle'],
  },
  {
    name: 'proof not judged',
    bug: 'a justification is believed',
    by: ['unproven'],
    changes: withVoter((voter) => {
      replace(voter, 'judge', (judge) => (...args: never[]) => {
        const setup: object = Reflect.get(voter, 'setup');
        Reflect.set(voter, 'setup', { ...setup, verify: () => true });
        judge(...args);
        Reflect.set(voter, 'setup', setup);
      });
    }),
    schedules: ['byzantine', 'mixed'],
  },
  {
    name: 'equivocation counted twice',
    bug: 'who votes twice counts with twice his weight',
    by: ['unfaithful', 'unproven'],
    // Somebody must vote twice where with him one vote is missing for a quorum, and few plans have that by chance.
    vice: 'equivocate',
    changes: withVoter((voter) => {
      const doubled = (round: object) => {
        const graph: object = Reflect.get(round, 'graph');
        replace(graph, 'equivocate', (equivocate) => (stage: never, weight: bigint, voted: never) => {
          equivocate(stage, (2n * weight) as never, voted);
        });
        return round;
      };
      doubled(Reflect.get(voter, 'current'));
      replace(
        voter,
        'roundAt',
        (roundAt) =>
          (...args: never[]) =>
            doubled(roundAt(...args) as object),
      );
    }),
    schedules: ['partition'],
  },
  {
    name: 'final without votes',
    bug: 'a block is final once two stand on it',
    by: ['unproven', 'conflict'],
    changes: { make: { finality: () => new DepthFinality(2) } },
    schedules: ['partition'],
  },
  {
    name: 'fork choice ignores finality',
    bug: 'a voter votes for the best chain, whatever may be final',
    by: ['finality', 'unfaithful'],
    changes: withVoter((voter, gadget) => {
      const view = () => Reflect.get(gadget, 'view') as { best: { hash: Bytes; number: number } };
      const setup: { chain: object } = Reflect.get(voter, 'setup');
      Reflect.set(voter, 'setup', { ...setup, chain: { ...setup.chain, bestOn: () => view().best } });
    }),
    schedules: ['swizzle', 'mixed'],
  },
  {
    name: 'set change applied early',
    bug: 'the next set begins with the block that names it',
    by: ['set'],
    changes: {
      make: {
        finality: (setup) => {
          const gadget = new Grandpa(setup);
          return replace(gadget, 'elect', (elect) => (now: never) => {
            elect(now);
            const changes: object = Reflect.get(gadget, 'changes');
            replace(changes, 'at', (at) => (hash: never) => {
              const entry = at(hash) as { number: number; change?: { end: number } } | undefined;
              if (entry?.change === undefined) return entry;
              return { ...entry, change: { ...entry.change, end: entry.change.end - 2 } };
            });
          });
        },
      },
    },
    schedules: ['calm'],
  },
  {
    name: 'said only once',
    bug: 'votes are not said again',
    // The end of a run looks at heads first: where nothing becomes final they may differ just then.
    by: ['finality', 'heads'],
    changes: withVoter((voter) => {
      replace(voter, 'repeat', () => () => {
        Reflect.set(voter, 'repeatAt', Number.MAX_SAFE_INTEGER);
      });
    }),
    schedules: ['lossy', 'partition'],
  },
  {
    name: 'missing blocks not fetched',
    bug: 'a vote for a block of another branch waits for ever',
    by: ['finality', 'heads'],
    changes: withoutEffect('missing'),
    schedules: ['partition', 'swizzle', 'mixed', 'lossy'],
  },
  {
    name: 'final blocks forgotten',
    bug: 'votes are not placed on a base that the chain has left behind',
    by: ['finality', 'unproven'],
    changes: withChain((chain) => {
      const view: { ancestor(of: Bytes, number: number): unknown } = Reflect.get(chain, 'view');
      replace(view, 'ancestor', (ancestor) => (of: never, number: number) => {
        return number < chain.finalized().number ? undefined : ancestor(of, number as never);
      });
    }),
    schedules: ['calm', 'lossy'],
  },
  {
    name: 'precommits to its own head',
    bug: 'a voter precommits to what it likes best, not to the GHOST',
    by: ['unfaithful'],
    changes: withVoter((voter) => {
      replace(voter, 'castPrecommit', (castPrecommit) => (now: never) => {
        const round: object = Reflect.get(voter, 'current');
        const state: object = Reflect.get(round, 'now');
        const setup: { chain: { bestOn(block: unknown): unknown } } = Reflect.get(voter, 'setup');
        const best = setup.chain.bestOn(Reflect.get(voter, 'finalized'));
        if (Reflect.get(state, 'ghost') === undefined || best === undefined) return;
        Reflect.set(round, 'now', { ...state, ghost: best });
        castPrecommit(now);
        Reflect.set(round, 'now', state);
      });
    }),
    schedules: ['swizzle', 'mixed', 'partition', 'lossy'],
  },
  {
    name: 'nominations counted twice',
    bug: 'the first seat of an era has its stake and its weight twice',
    by: ['seats'],
    chain: 'stake',
    changes: {
      pallets: withPallet('Session', () => {
        const manager: SessionManager = (at, number) =>
          planSession(at, number)?.map((seat, place) => {
            return place > 0 ? seat : { ...seat, stake: 2n * seat.stake, weight: 2n * seat.weight };
          });
        return session({ manager, handlers: [tellVoters] }) as unknown as Pallet;
      }),
    },
    schedules: ['calm'],
  },
  {
    name: 'double seals not noticed',
    bug: 'nobody compares the blocks of a slot',
    by: ['unseen'],
    chain: 'stake',
    changes: withoutEffect('sealedTwice'),
    schedules: ['byzantine', 'mixed'],
  },
  {
    name: 'report not checked',
    bug: 'the signatures of the votes that a report shows are taken as they come',
    by: ['innocent'],
    chain: 'stake',
    changes: { host: (host) => ({ ...host, verifyEd25519: () => true }) },
    schedules: ['byzantine', 'lossy'],
  },
  {
    name: 'slash forgets what unbonds',
    bug: 'what began to unbond before a report is not slashed',
    by: ['unpaid'],
    chain: 'stake',
    changes: {
      pallets: (list) => {
        const votes = withPallet('Grandpa', withCall('report_equivocation_unsigned', hidingChunks))(list);
        return withPallet('Slots', withCall('report_equivocation', hidingChunks))(votes);
      },
    },
    schedules: ['byzantine', 'lossy'],
  },
];
