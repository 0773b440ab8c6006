/** # Seats by lot, through the real runtime: 21 and 6 in small. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { littleEndian } from '../../../src/base/bytes.ts';
import { Dice } from '../../../src/runtime/dice.ts';
import { lotSeed } from '../../../src/runtime/election/lots.ts';
import { ComputePowDeclared } from '../../../src/runtime/pallets/compute-pow.ts';
import { ERA, StakeChain, somebody, UNIT } from './stake-chain.ts';

const V = Array.from({ length: 12 }, (_, i) => somebody(`validator ${i}`));
const beacon = (number: number) => littleEndian(BigInt(number) + 7n, 32);

/** Nine seats, two by lot; the losers' bonds are far larger than what stands behind the winners. */
const chainOf = (hasBeacon: boolean) =>
  new StakeChain({
    keyed: V,
    stakers: [
      ...V.map((who) => [who, 100n * UNIT, 'Validator'] as const),
      ...V.slice(0, 7).map((who, i) => [somebody(`voter ${i}`), 20n * UNIT, [who]] as const),
    ],
    staking: { seats: 9, lots: 2 },
    hook(at) {
      if (hasBeacon) at.use(ComputePowDeclared).state.Beacon.put(at.block.number, beacon(at.block.number));
    },
  });

test('losers are drawn by the settled beacon, and their weight stays below a third', () => {
  const chain = chainOf(true);
  chain.to(ERA + 1);
  const seats = chain.staking.ErasSeats.get(1);
  const of = (kind: string) => seats.filter((seat) => seat.kind.type === kind);
  assert.deepEqual([of('Voted').length, of('Drawn').length], [7, 2]);
  const urn = V.slice(7)
    .map(({ account }) => account)
    .sort((a, b) => Buffer.compare(a, b));
  // The first block of the era is ERA + 1; two blocks before it is settled.
  const dice = new Dice(lotSeed(beacon(ERA - 1), 1));
  assert.deepEqual(
    of('Drawn').map(({ who }) => who),
    dice.distinct(2, urn.length).map((n) => urn[n]),
  );
  const sum = (list: typeof seats) => list.reduce((all, { weight }) => all + weight, 0n);
  assert.ok(sum(of('Drawn')) * 3n < sum(seats));
  assert.equal(chain.session.Validators.get().length, 9);
  for (const { who } of of('Drawn')) assert.equal(chain.staking.ErasStakersOverview.get(1, who)?.own, 100n * UNIT);
});

test('without a beacon nobody is drawn', () => {
  const chain = chainOf(false);
  chain.to(ERA + 1);
  assert.deepEqual(
    chain.staking.ErasSeats.get(1).map(({ kind }) => kind.type),
    Array.from({ length: 7 }, () => 'Voted'),
  );
});
