/**
 * # Storage: which values share memory, before any of it has an address.
 *
 * Always true: every value has one place, a storage and a byte offset in it. Reshapes, contiguous cuts and joins of
 * neighbours cost nothing; what a join gathers is computed where the join needs it.
 */
import { must } from '../../base/assert.ts';
import { rowMajor } from '../graph/fold.ts';
import { type Graph, integersOf, type Node, numberOf, tensorOf } from '../graph/ir.ts';
import { elements } from '../graph/onnx.ts';

/** A run of bytes that lives from its first writer to its last reader. */
export interface Storage {
  readonly bytes: number;
  /** A fixed address: state and inputs. Constants and scalars of a step have none and are no storage to reuse. */
  readonly fixed: number | undefined;
  /** The address of a root, from its first writer on. */
  at: number | undefined;
  /** Where this storage lies inside a larger one, once a join has claimed it. */
  parent: { readonly storage: Storage; readonly offset: number } | undefined;
  /** Whether other storages lie inside this one. */
  holds: boolean;
  /** Index of the last node that touches it; of roots only. */
  lastUse: number;
}

export interface Place {
  readonly storage: Storage;
  /** Bytes from the start of the storage. */
  readonly offset: number;
  /** The last two axes are stored swapped: a transpose that its readers absorb. */
  readonly turned: boolean;
}

export function newStorage(bytes: number, fixed?: number): Storage {
  return { bytes, fixed, at: undefined, parent: undefined, holds: false, lastUse: -1 };
}

/** The storage that a place finally lies in, and the offset there. */
export function rootOf(place: Place): { readonly storage: Storage; readonly offset: number } {
  let { storage, offset } = place;
  for (let up = storage.parent; up !== undefined; up = storage.parent) {
    offset += up.offset;
    storage = up.storage;
  }
  return { storage, offset };
}

/** Bytes that a value takes in the kernels' memory: four an element, whatever its type in a file. */
export function bytesOf(dims: readonly number[]): number {
  return 4 * elements(dims);
}

/** Places of all values. `fixed` holds those of graph inputs; constants have no storage and are not in the result. */
export function placeValues(graph: Graph, fixed: ReadonlyMap<string, Storage>): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const [name, storage] of fixed) places.set(name, { storage, offset: 0, turned: false });
  const readers = readersOf(graph);
  for (const node of graph.nodes) {
    const aliased = aliasesOf(graph, node, places, readers);
    for (const [i, name] of node.outputs.entries()) {
      const fresh = { storage: newStorage(bytesOf(tensorOf(graph, name).dims)), offset: 0, turned: false };
      places.set(name, aliased?.[i] ?? fresh);
    }
    if (node.op === 'Concat' && aliased === undefined) claim(graph, node, places);
  }
  return places;
}

/** Whether a node of this graph computes nothing, given the places: its outputs are where its inputs are. */
export function isAlias(node: Node, places: ReadonlyMap<string, Place>): boolean {
  const source = places.get(node.inputs[0] as string);
  const moves = MOVES.has(node.op);
  return moves && source !== undefined && node.outputs.every((name) => places.get(name)?.storage === source.storage);
}

const MOVES: ReadonlySet<string> = new Set(['Reshape', 'Cast', 'Split', 'Slice', 'Transpose', 'Concat', 'Expand']);

type Readers = ReadonlyMap<string, readonly { readonly node: Node; readonly slot: number }[]>;

function readersOf(graph: Graph): Readers {
  const readers = new Map<string, { node: Node; slot: number }[]>();
  for (const node of graph.nodes) {
    node.inputs.forEach((name, slot) => {
      const list = readers.get(name);
      if (list === undefined) readers.set(name, [{ node, slot }]);
      else list.push({ node, slot });
    });
  }
  return readers;
}

function aliasesOf(
  graph: Graph,
  node: Node,
  places: ReadonlyMap<string, Place>,
  readers: Readers,
): readonly Place[] | undefined {
  const input = node.inputs[0] as string;
  const source = places.get(input);
  if (source === undefined || source.turned) return undefined;
  switch (node.op) {
    case 'Reshape':
    case 'Cast':
      return [source];
    case 'Split':
      return splitPlaces(graph, node, source);
    case 'Slice': {
      const skipped = contiguousSlice(graph, node);
      return skipped === undefined ? undefined : [{ ...source, offset: source.offset + 4 * skipped }];
    }
    case 'Transpose':
      if (movesNothing(graph, node)) return [source];
      return isAbsorbed(graph, node, readers) ? [{ ...source, turned: true }] : undefined;
    case 'Concat':
      return neighbours(graph, node, places);
    case 'AdamW':
    case 'Sgd':
    case 'SgdNesterov':
    case 'SgdPlain':
      return updatedPlaces(node, places);
    default:
      return undefined;
  }
}

/** The new state lies where the old one lay. */
function updatedPlaces(node: Node, places: ReadonlyMap<string, Place>): Place[] | undefined {
  const old = node.outputs.flatMap((_, i) => places.get(node.inputs[i] as string) ?? []);
  const inState = old.length === node.outputs.length && old.every(({ storage }) => storage.fixed !== undefined);
  return inState ? old : undefined;
}

function splitPlaces(graph: Graph, node: Node, source: Place): Place[] | undefined {
  const axis = numberOf(node, 'axis');
  const { dims } = tensorOf(graph, node.inputs[0] as string);
  if (elements(dims.slice(0, axis)) !== 1) return undefined;
  let { offset } = source;
  return node.outputs.map((name) => {
    const place = { ...source, offset };
    offset += bytesOf(tensorOf(graph, name).dims);
    return place;
  });
}

/** Elements before a slice that is one run of its source, or undefined where it is not. */
function contiguousSlice(graph: Graph, node: Node): number | undefined {
  const { dims: out } = tensorOf(graph, node.outputs[0] as string);
  const strides = rowMajor(tensorOf(graph, node.inputs[0] as string).dims);
  const [axes, starts, steps] = ['axes', 'starts', 'steps'].map((key) => integersOf(node, key));
  const last = must(axes?.at(-1), 'a slice has axes');
  if (elements(out.slice(0, last)) !== 1) return undefined;
  if ((steps?.at(-1) as number) !== 1 && out[last] !== 1) return undefined;
  return must(axes, 'axes').reduce((sum, axis, i) => sum + (strides[axis] as number) * (starts?.[i] as number), 0);
}

/** Whether a transpose keeps the order of all axes longer than one. */
function movesNothing(graph: Graph, node: Node): boolean {
  const { dims } = tensorOf(graph, node.inputs[0] as string);
  const long = integersOf(node, 'perm').filter((axis) => dims[axis] !== 1);
  return long.every((axis, i) => i === 0 || axis > (long[i - 1] as number));
}

/** Matrix products read either order of their last two axes, so a swap of those need not be carried out. */
function isAbsorbed(graph: Graph, node: Node, readers: Readers): boolean {
  const perm = integersOf(node, 'perm');
  const rank = perm.length;
  const swap =
    rank >= 2 && perm.every((axis, i) => axis === (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i));
  const output = node.outputs[0] as string;
  if (!swap || graph.outputs.includes(output)) return false;
  const uses = readers.get(output) ?? [];
  return uses.every(({ node: { op }, slot }) => slot < 2 && (op === 'MatMul' || op.startsWith('CPowGemm')));
}

/** A join of what lies side by side already. */
function neighbours(graph: Graph, node: Node, places: ReadonlyMap<string, Place>): Place[] | undefined {
  if (!isOuterJoin(graph, node)) return undefined;
  const first = must(places.get(node.inputs[0] as string), 'a place');
  let end = first.offset;
  for (const name of node.inputs) {
    const place = places.get(name);
    if (place?.storage !== first.storage || place.offset !== end || place.turned) return undefined;
    end += bytesOf(tensorOf(graph, name).dims);
  }
  return [first];
}

function isOuterJoin(graph: Graph, node: Node): boolean {
  const { dims } = tensorOf(graph, node.outputs[0] as string);
  return elements(dims.slice(0, numberOf(node, 'axis'))) === 1;
}

/** Puts the parts of a join into it, where they are whole storages that nothing else has claimed. */
function claim(graph: Graph, node: Node, places: ReadonlyMap<string, Place>): void {
  if (!isOuterJoin(graph, node)) return;
  const { storage } = must(places.get(node.outputs[0] as string), 'a place');
  let offset = 0;
  for (const name of node.inputs) {
    const part = places.get(name);
    const bytes = bytesOf(tensorOf(graph, name).dims);
    if (part !== undefined && isWhole(part, bytes)) {
      part.storage.parent = { storage, offset };
      storage.holds = true;
    }
    offset += bytes;
  }
}

function isWhole({ storage, offset, turned }: Place, bytes: number): boolean {
  const free = storage.fixed === undefined && storage.parent === undefined;
  return free && offset === 0 && !turned && storage.bytes === bytes;
}
