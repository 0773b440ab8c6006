/**
 * # Bare: extrinsics of the work itself, signed inside by a compute key, since an empty account cannot sign others.
 *
 * Always true: one is bound to one call, one chain and one assignment; everything about it is judged before gossip and
 * again before it runs, so that none fails for free in a block; it provides one tag, so that the pool and a block hold
 * it once.
 */
import { type Bytes, concat, equal, utf8 } from '../../base/bytes.ts';
import { type Codec, fixed, struct } from '../../codec/index.ts';
import type { Chain } from '../chain.ts';
import { invalid } from '../errors.ts';
import type { CallRule, Declared, Fields, Scope, Values } from '../pallet.ts';
import { System } from './system.ts';

/** Blocks for which the judgement of a bare extrinsic holds: shorter than any deadline it serves. */
export const BARE_LONGEVITY = 64;
/** Before any fee-paying transaction: the chain lives on these, and assignments bound their number. */
const PRIORITY = 1n << 62n;

/**
 * Custom codes of InvalidTransaction for what does not agree with the state: on another branch it might, so peers that
 * send it are not to blame.
 */
export const BARE_FAULTS = {
  /** The revealed roots do not hash to the claimed transcript. */
  BadTranscript: 1,
  /** What was drawn or won is not opened, or a path does not lead to its root. */
  BadOpening: 2,
  /** The receipt does not bind this account, salt and digest. */
  BadReceipt: 3,
  /** The state gives the fragment or the duty to another key. */
  NotYours: 4,
} as const;

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

/** What a call is about, and who may make it. */
export interface Judgement {
  /** The compute key that the state knows. */
  readonly key: Bytes;
  readonly subject: Bytes;
}

/**
 * A call that carries its own ed25519 signature. `judge` looks at the state and throws `invalid(...)`; `inspect`, after
 * the signature, at what costs more than that.
 */
export function bareCall<D extends Declared, A extends Fields>(parts: {
  readonly name: string;
  readonly index: number;
  readonly doc: string;
  readonly args: A;
  readonly weight: CallRule<D, Signed<A>>['weight'];
  judge(at: Scope<D>, args: Values<Signed<A>>): Judgement;
  inspect?(at: Scope<D>, args: Values<Signed<A>>): void;
  run(at: Scope<D>, args: Values<Signed<A>>): void;
}): CallRule<D, Signed<A>> {
  const signed = signedArgs(parts.args);
  return {
    index: parts.index,
    doc: parts.doc,
    origin: 'bare',
    class: 'Operational',
    weight: parts.weight,
    args: { ...parts.args, key: Key, signature: Signature },
    validate(at, args) {
      const { key, subject } = parts.judge(at, args);
      const given = args as unknown as { key: Bytes; signature: Bytes };
      if (!equal(given.key, key)) throw invalid(BARE_FAULTS.NotYours);
      const message = bareMessage(parts.name, genesisHash(at), signed.enc(args as never));
      if (!at.host.verifyEd25519(given.signature, message, key)) throw invalid('BadProof');
      parts.inspect?.(at, args);
      return { priority: PRIORITY, provides: [tag(parts.name, subject)], longevity: BARE_LONGEVITY };
    },
    run: parts.run,
  };
}

/** The pool's tag of a bare extrinsic. */
function tag(call: string, subject: Bytes): Bytes {
  return concat(utf8(`cpow/${call}/`), subject);
}
