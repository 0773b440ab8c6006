/**
 * # Lots: seats that fall by lot among those who were not voted for (makai: 6 of 27).
 *
 * Always true: seats by lot are less than a third of the seats that are taken, so that a third which could stop or
 * split finality never comes out of the lot alone. Source: FEATURES.md S-237 and 6.6.
 */
import { type Bytes, concat, littleEndian, utf8 } from '../../base/bytes.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { Dice } from '../dice.ts';

/** At most `count` of the urn (ascending), each as likely as the others, none twice. */
export function drawLots(urn: readonly Bytes[], count: number, seed: Bytes): Bytes[] {
  const drawn = Math.min(count, urn.length);
  return new Dice(seed).distinct(drawn, urn.length).map((n) => urn[n] as Bytes);
}

/** How many seats may fall by lot beside `voted` ones: the most for which 3 * lots < voted + lots. */
export function mostLots(voted: number): number {
  return Math.max(0, Math.floor((voted - 1) / 2));
}

/** What decides the lot of an era, from a beacon that no candidate knew when it bonded. */
export function lotSeed(beacon: Bytes, era: number): Bytes {
  return blake2_256(concat(utf8('staking/1/lot'), beacon, littleEndian(BigInt(era), 4)));
}
