/** # Kill child: imports blocks without end into the folder it is given, and says what was flushed. */
import { LevelStore } from '../../src/state/level/level-store.ts';
import { childOf, genesisOf, type Truth } from './chains.ts';

const dir = process.argv[2] as string;
const { genesis, truth } = genesisOf(1, 60);
const store = await LevelStore.open({ dir, genesis, pruning: 4 });
const line: Truth[] = [truth];
while (line.length <= store.best.number) line.push(childOf(line[line.length - 1] as Truth, line.length));
process.stdout.write(`opened ${store.best.number}\n`);
for (;;) {
  const block = childOf(line[line.length - 1] as Truth, line.length);
  store.append(block);
  store.setBest(block.hash);
  if (block.number > 3) store.settle((line[block.number - 3] as Truth).hash);
  line.push(block);
  process.stdout.write(`writing ${block.number}\n`);
  await store.flush(block.number % 3 === 0);
  process.stdout.write(`flushed ${block.number}\n`);
}
