/**
 * # Order: ready extrinsics, best first.
 *
 * Always true: an entry comes after everything in the pool that it requires; among those that may come next the one
 * with the highest priority does, the older of equals. O(log n) an entry, by a binary heap.
 */
import type { Entry } from './graph.ts';

/** Yields every ready entry once; `providers` says which ready entry gives a tag. */
export function* bestFirst(ready: Iterable<Entry>, providers: ReadonlyMap<string, Entry>): Generator<Entry> {
  const blockers = new Map<Entry, number>();
  const unlocks = new Map<Entry, Entry[]>();
  const heap: Entry[] = [];
  for (const entry of ready) {
    const needed = new Set<Entry>();
    for (const tag of entry.requires) {
      const provider = providers.get(tag);
      if (provider !== undefined) needed.add(provider);
    }
    if (needed.size === 0) push(heap, entry);
    else blockers.set(entry, needed.size);
    for (const provider of needed) {
      const dependents = unlocks.get(provider);
      if (dependents === undefined) unlocks.set(provider, [entry]);
      else dependents.push(entry);
    }
  }
  for (let entry = pop(heap); entry !== undefined; entry = pop(heap)) {
    yield entry;
    for (const next of unlocks.get(entry) ?? []) {
      const left = (blockers.get(next) as number) - 1;
      blockers.set(next, left);
      if (left === 0) push(heap, next);
    }
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.priority === b.priority ? a.seq < b.seq : a.priority > b.priority;
}

function push(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above] as Entry;
    if (!isBefore(entry, parent)) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = entry;
}

function pop(heap: Entry[]): Entry | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child++;
    if (!isBefore(heap[child] as Entry, last)) break;
    heap[at] = heap[child] as Entry;
    at = child;
  }
  heap[at] = last;
  return top;
}
