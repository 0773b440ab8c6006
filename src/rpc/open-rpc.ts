/**
 * # OpenRPC: the method table as a document that tools read (`rpc.discover`).
 *
 * Always true: it is made of the very schemas that read the parameters, so what it says is what the node takes.
 * Source: OpenRPC 1.3.2, JSON Schema 2020-12.
 */
import { z } from 'zod';
import type { Param } from './params.ts';
import type { Method, Registry } from './registry.ts';

type Json = Readonly<Record<string, unknown>>;

/** Errors that any method can answer with. */
const ERRORS: readonly Json[] = [
  { code: -32602, message: 'Invalid params' },
  { code: -32603, message: 'Internal error' },
];

/** The document of all methods; `version` is the node's. */
export function openRpc(registry: Registry, info: { readonly title: string; readonly version: string }): Json {
  return { openrpc: '1.3.2', info, methods: registry.methods().map(described) };
}

function described({ name, aliases, params, unsafe, websocketOnly, events }: Method): Json {
  const area = name.slice(0, Math.max(0, name.search(/_|\./)));
  return {
    name,
    tags: [{ name: area }],
    paramStructure: 'by-position',
    params: params.map((param, at) => parameter(param, at, params)),
    // Which shape a method answers with stands in docs/spec/rpc.md.
    result: { name: events ? 'subscription' : 'result', schema: events ? { type: 'string' } : true },
    errors: ERRORS,
    ...(aliases.length > 0 ? { 'x-aliases': aliases } : {}),
    ...(unsafe ? { 'x-unsafe': true } : {}),
    ...(websocketOnly ? { 'x-websocket-only': true } : {}),
    ...(events ? { 'x-notification': events.notify, 'x-unsubscribe': events.unsubscribe } : {}),
  };
}

function parameter(param: Param<unknown>, at: number, all: readonly Param<unknown>[]): Json {
  const { $schema: _, ...schema } = schemaOf(param);
  const same = all.slice(0, at).filter((other) => schemaOf(other).title === schema.title).length;
  const name = typeof schema.title === 'string' ? schema.title : 'value';
  return { name: same > 0 ? `${name}${same + 1}` : name, required: !param.safeParse(undefined).success, schema };
}

function schemaOf(param: Param<unknown>): Json {
  return z.toJSONSchema(param, { io: 'input' });
}
