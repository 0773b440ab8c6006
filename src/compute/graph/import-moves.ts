/**
 * # Import of moves: the ONNX operators that place, pick and reduce elements, with static shapes.
 *
 * Always true: every list is normalised here (axes from the front and ascending, bounds clamped, -1 resolved), so the
 * canonical operators need one form of each.
 */
import { must } from '../../base/assert.ts';
import { decodeValues, encodeValues } from './fold.ts';
import { ensure } from './graph-error.ts';
import type { Call } from './import-call.ts';
import { int, ints } from './ir.ts';
import { elements } from './onnx.ts';
import { checkDims } from './onnx-read.ts';

export function reduce(c: Call, op: 'ReduceSum' | 'ReduceMean' | 'ReduceMax', axesAreInputSince: number): string {
  const { length: rank } = c.dims(0);
  const given = (c.opset >= axesAreInputSince ? c.integers(1) : c.list('axes')) ?? [];
  if (given.length === 0 && c.int('noop_with_empty_axes', 0) !== 0) return c.operand(0);
  const axes = given.length === 0 ? [...Array(rank).keys()] : c.axes(given, rank);
  if (axes.length === 0) return c.operand(0);
  return c.b.emit(op, [c.operand(0)], { axes: ints(axes), keepdims: int(c.int('keepdims', 1)) }, c.wanted());
}

export function reshape(c: Call): string {
  const dims = c.dims(0);
  const wanted = must(c.integers(1) ?? [], 'a list');
  ensure(c.int('allowzero', 0) === 0, 'NotInVersion1', 'empty tensors', c.at);
  const shape = wanted.map((dim, i) => (dim === 0 ? (dims[i] ?? 0) : dim));
  const open = shape.indexOf(-1);
  if (open >= 0) {
    const rest = elements(shape.filter((_, i) => i !== open));
    shape[open] = rest > 0 ? elements(dims) / rest : 0;
  }
  const valid = shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0) && elements(shape) === elements(dims);
  ensure(valid, 'ShapeMismatch', `reshape of ${dims.join('x')} to ${wanted.join('x')}`, c.at);
  return c.b.reshape(c.operand(0), shape, c.wanted());
}

export function flatten(c: Call): string {
  const dims = c.dims(0);
  const raw = c.int('axis', 1);
  const axis = raw === dims.length ? raw : c.axis(raw, dims.length);
  return c.b.reshape(c.operand(0), [elements(dims.slice(0, axis)), elements(dims.slice(axis))], c.wanted());
}

export function squeeze(c: Call): string {
  const dims = c.dims(0);
  const given = c.integers(1);
  const axes = given === undefined ? dims.flatMap((dim, i) => (dim === 1 ? [i] : [])) : c.axes(given, dims.length);
  ensure(
    axes.every((axis) => dims[axis] === 1),
    'ShapeMismatch',
    `squeeze of ${dims.join('x')}`,
    c.at,
  );
  return c.b.reshape(
    c.operand(0),
    dims.filter((_, i) => !axes.includes(i)),
    c.wanted(),
  );
}

export function unsqueeze(c: Call): string {
  const dims = c.dims(0);
  const given = c.integers(1) ?? [];
  const axes = c.axes(given, dims.length + given.length);
  const rest = [...dims];
  const shape = Array.from({ length: dims.length + axes.length }, (_, i) =>
    axes.includes(i) ? 1 : (rest.shift() as number),
  );
  return c.b.reshape(c.operand(0), shape, c.wanted());
}

export function concat(c: Call): string {
  const parts = c.node.inputs.map((_, i) => c.operand(i));
  if (parts.length === 1) return c.operand(0);
  return c.b.emit('Concat', parts, { axis: int(c.axis(c.int('axis'), c.dims(0).length)) }, c.wanted());
}

export function slice(c: Call): string {
  const dims = c.dims(0);
  const starts = c.integers(1) ?? [];
  const ends = c.integers(2) ?? [];
  const axes = (c.integers(3) ?? [...starts.keys()]).map((axis) => c.axis(axis, dims.length));
  const steps = c.integers(4) ?? starts.map(() => 1);
  const counts = [ends, axes, steps].every((list) => list.length === starts.length);
  ensure(counts && new Set(axes).size === axes.length, 'BadAttribute', 'slice lists', c.at);
  const cuts = axes
    .map((axis, i) => {
      const size = dims[axis] as number;
      const place = (raw: number): number => Math.min(Math.max(raw < 0 ? raw + size : raw, 0), size);
      ensure((steps[i] as number) >= 1, 'NotInVersion1', 'a slice with a step below 1', c.at);
      return { axis, start: place(starts[i] as number), end: place(ends[i] as number), step: steps[i] as number };
    })
    .filter(({ axis, start, end, step }) => start !== 0 || end !== dims[axis] || step !== 1)
    .sort((a, b) => a.axis - b.axis);
  if (cuts.length === 0) return c.operand(0);
  const lists = {
    starts: ints(cuts.map((each) => each.start)),
    ends: ints(cuts.map((each) => each.end)),
    axes: ints(cuts.map((each) => each.axis)),
    steps: ints(cuts.map((each) => each.step)),
  };
  return c.b.emit('Slice', [c.operand(0)], lists, c.wanted());
}

export function split(c: Call): readonly string[] {
  const dims = c.dims(0);
  const axis = c.axis(c.int('axis', 0), dims.length);
  const size = dims[axis] as number;
  const count = c.node.outputs.length;
  // Without sizes the parts are equal, the last one smaller (opset 18).
  const part = Math.ceil(size / count);
  const even = Array.from({ length: count }, (_, i) => Math.min(part, size - i * part));
  const sizes = c.integers(1) ?? even;
  ensure(sizes.length === count, 'BadAttribute', `${sizes.length} sizes for ${count} outputs`, c.at);
  if (count === 1) return [c.operand(0)];
  const wanted = c.node.outputs.map((name) => name || undefined);
  return c.b.emitAll('Split', [c.operand(0)], { axis: int(axis), split: ints(sizes) }, wanted);
}

export function expand(c: Call): string {
  const dims = c.dims(0);
  const target = must(c.integers(1) ?? [], 'a list');
  checkDims(target, c.at, 1);
  const rank = Math.max(dims.length, target.length);
  const shape = Array.from({ length: rank }, (_, i) => {
    const [own, asked] = [dims[i - rank + dims.length] ?? 1, target[i - rank + target.length] ?? 1];
    return asked === 1 ? own : asked;
  });
  if (shape.length === dims.length && shape.every((dim, i) => dim === dims[i])) return c.operand(0);
  return c.b.emit('Expand', [c.operand(0)], { shape: ints(shape) }, c.wanted());
}

/** Rows of a table. Along another axis the table is turned first; constant indices are made non-negative. */
export function gather(c: Call): string {
  const dims = c.dims(0);
  const axis = c.axis(c.int('axis', 0), dims.length);
  const rows = dims[axis] as number;
  let index = c.operand(1);
  const fixed = c.b.constantOf(index);
  if (fixed !== undefined) {
    const values = decodeValues(fixed).map((value) => (value < 0 ? value + rows : value));
    ensure(
      values.every((value) => value >= 0 && value < rows),
      'BadTensor',
      `index beyond ${rows} rows`,
      c.at,
    );
    if (fixed.dims.length === 0) return pickOne(c, axis, values[0] as number);
    index = c.b.constant('index', fixed.type, fixed.dims, encodeValues(fixed.type, values));
  }
  const turned = [axis, ...[...dims.keys()].filter((each) => each !== axis)];
  const table = c.b.transpose(c.operand(0), turned);
  const y = c.b.emit('Gather', [table, index], { axis: int(0) }, c.wanted());
  const depth = c.b.dims(index).length;
  const others = [...Array(dims.length - 1).keys()].map((i) => i + depth);
  const back = [...others.slice(0, axis), ...Array(depth).keys(), ...others.slice(axis)];
  return c.b.transpose(y, back, c.wanted());
}

/** One fixed row along an axis is a slice without that axis: a place in memory instead of a table. */
function pickOne(c: Call, axis: number, row: number): string {
  const dims = c.dims(0);
  const lists = { starts: ints([row]), ends: ints([row + 1]), axes: ints([axis]), steps: ints([1]) };
  const one = dims[axis] === 1 ? c.operand(0) : c.b.emit('Slice', [c.operand(0)], lists, c.wanted());
  return c.b.reshape(
    one,
    dims.filter((_, i) => i !== axis),
    c.wanted(),
  );
}
