/**
 * # Bare: extrinsics of the work itself, signed inside by a compute key, since an empty account cannot sign others.
 *
 * Always true: one is bound to one call, one chain and one assignment; it is judged against the state before gossip,
 * and provides one tag for its subject, so that the pool and a block hold it once.
 */
import { type Bytes, concat, utf8 } from '../../base/bytes.ts';
import { type Codec, fixed, struct } from '../../codec/index.ts';
import type { Chain } from '../chain.ts';
import { invalid } from '../errors.ts';
import type { CallRule, Declared, Fields, Scope, Values } from '../pallet.ts';
import type { Weight } from '../weights.ts';
import { System } from './system.ts';

/** Blocks for which the judgement of a bare extrinsic holds: shorter than any deadline it serves. */
export const BARE_LONGEVITY = 64;

const Key = fixed(32);
const Signature = fixed(64);
type Signed<A extends Fields> = A & { readonly key: typeof Key; readonly signature: typeof Signature };

/** What a compute key signs: "cpow/1/<call>" || genesis || SCALE(args before the signature). */
export function bareMessage(call: string, genesis: Bytes, args: Bytes): Bytes {
  return concat(utf8(`cpow/1/${call}`), genesis, args);
}

/** The hash of block 0 as the state knows it. */
export function genesisHash(chain: Chain): Bytes {
  return chain.use(System).state.BlockHash.get(0);
}

/** The codec of what is signed: the call's own arguments and the key. */
export function signedArgs<A extends Fields>(args: A): Codec<Values<A & { key: typeof Key }>> {
  return struct({ ...args, key: Key }) as unknown as Codec<Values<A & { key: typeof Key }>>;
}

/** A call that carries its own ed25519 signature. `judge` throws `invalid(...)` and names what the call is about. */
export function bareCall<D extends Declared, A extends Fields>(parts: {
  readonly name: string;
  readonly index: number;
  readonly doc: string;
  readonly args: A;
  readonly weight: Weight;
  readonly priority?: bigint;
  judge(
    at: Scope<D>,
    args: Values<Signed<A>>,
  ): { readonly key: Bytes; readonly subject: Bytes; readonly requires?: readonly Bytes[] };
  run(at: Scope<D>, args: Values<Signed<A>>): void;
}): CallRule<D, Signed<A>> {
  const signed = signedArgs(parts.args);
  return {
    index: parts.index,
    doc: parts.doc,
    origin: 'bare',
    weight: parts.weight,
    args: { ...parts.args, key: Key, signature: Signature },
    validate(at, args) {
      const { key, subject, requires } = parts.judge(at, args);
      const given = args as unknown as { key: Bytes; signature: Bytes };
      const message = bareMessage(parts.name, genesisHash(at), signed.enc(args as never));
      if (!at.host.verifyEd25519(given.signature, message, key)) throw invalid('BadProof');
      return {
        priority: parts.priority ?? 1n,
        provides: [tag(parts.name, subject)],
        longevity: BARE_LONGEVITY,
        ...(requires ? { requires } : {}),
      };
    },
    run: parts.run,
  };
}

/** The pool's tag of a bare extrinsic. */
export function tag(call: string, subject: Bytes): Bytes {
  return concat(utf8(`cpow/${call}/`), subject);
}
