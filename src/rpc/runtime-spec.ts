/** # Runtime spec: the runtime's version as the new API generation says it; `apis` is an object here. */
import type { Runtime } from '../runtime/runtime.ts';
import { toHex } from './hex.ts';

export function runtimeSpec(version: Runtime['version']): unknown {
  return {
    specName: version.spec_name,
    implName: version.impl_name,
    specVersion: version.spec_version,
    implVersion: version.impl_version,
    transactionVersion: version.transaction_version,
    apis: Object.fromEntries(version.apis.map(([id, number]) => [toHex(id), number])),
  };
}
