/** # JSON: bytes as hex, integers beyond 2^53 as decimal strings, and f32 bits as the number they spell. */
import { toHex } from '../hex.ts';

/** A decoded value as JSON: byte strings become hex, undefined becomes null. */
export function hexed(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === 'bigint') return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.map(hexed);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, hexed(item)]));
  }
  return value;
}

/** The number whose f32 bits these are. */
export function f32(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits >>> 0);
  return view.getFloat32(0);
}
