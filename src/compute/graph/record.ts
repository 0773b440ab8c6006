/**
 * # Record layout: which bytes of a record fill which input of a graph.
 *
 * Always true: a layout is part of the graph's file, so a job's step graph fixes how its data is read. Record r of a
 * batch fills slice r of every input's first axis.
 */
import { ensure } from './graph-error.ts';
import type { Tensor } from './ir.ts';
import { elements } from './onnx.ts';

/** How one element stands in a record; little-endian. */
export const FIELD_BYTES = { u8: 1, u16: 2, i32: 4, f32: 4 } as const;
export type FieldType = keyof typeof FIELD_BYTES;

/** Consecutive elements of one input, from byte `offset` of the record. */
export interface RecordField {
  readonly input: string;
  readonly type: FieldType;
  readonly offset: number;
}

export interface RecordLayout {
  readonly bytes: number;
  readonly fields: readonly RecordField[];
}

/** A layout as text: `65 tokens:u8@0 labels:u8@1`; input names are escaped as URI components. */
export function formatLayout(layout: RecordLayout): string {
  const fields = layout.fields.map(({ input, type, offset }) => `${encodeURIComponent(input)}:${type}@${offset}`);
  return [`${layout.bytes}`, ...fields].join(' ');
}

/** The layout that a text spells. Throws GraphError. */
export function parseLayout(text: string): RecordLayout {
  const [bytes = '', ...fields] = text.split(' ');
  ensure(/^[1-9]\d{0,8}$/.test(bytes) && fields.length > 0, 'BadRecord', text.slice(0, 80));
  return {
    bytes: Number(bytes),
    fields: fields.map((field) => {
      const match = /^([^:@]+):(u8|u16|i32|f32)@(\d{1,9})$/.exec(field);
      ensure(match !== null, 'BadRecord', field.slice(0, 80));
      return { input: decodeName(match[1] as string), type: match[2] as FieldType, offset: Number(match[3]) };
    }),
  };
}

function decodeName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    ensure(!(error instanceof URIError), 'BadRecord', text.slice(0, 80));
    throw error;
  }
}

/** Refuses a layout that does not fill each of `inputs` exactly once within the record. Returns the batch size. */
export function checkLayout(layout: RecordLayout, inputs: readonly Tensor[]): number {
  const batch = inputs[0]?.dims[0];
  ensure(batch !== undefined, 'BadRecord', 'no input with a batch axis');
  ensure(
    layout.fields.length === inputs.length,
    'BadRecord',
    `${layout.fields.length} fields, ${inputs.length} inputs`,
  );
  for (const { name, type, dims } of inputs) {
    const field = layout.fields.find(({ input }) => input === name);
    ensure(field !== undefined, 'BadRecord', `no field for input ${name}`);
    ensure(dims[0] === batch, 'BadRecord', `input ${name} has a batch of ${dims[0]}, not ${batch}`);
    ensure((type === 'f32') === (field.type === 'f32') && type !== 'bool', 'BadRecord', `${field.type} for ${type}`);
    const end = field.offset + (elements(dims) / batch) * FIELD_BYTES[field.type];
    ensure(end <= layout.bytes, 'BadRecord', `input ${name} ends at byte ${end} of ${layout.bytes}`);
  }
  return batch;
}
