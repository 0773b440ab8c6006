/**
 * # Runtime: the rules of one chain, as consensus, pool and RPC use them.
 *
 * Always true: executing a block twice gives the same changes; a block that `builder` finished is one that `execute`
 * accepts; nothing from outside makes it throw.
 */
import { assert } from '../base/assert.ts';
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import { finish, type Work } from '../base/work.ts';
import type { Codec } from '../codec/index.ts';
import { CodecError, struct, vec } from '../codec/index.ts';
import { Digest, type DigestItem, POW_ENGINE } from '../primitives/digest.ts';
import { bareExtrinsic } from '../primitives/extrinsic.ts';
import { type Header, headerHash } from '../primitives/header.ts';
import { Overlay } from '../state/overlay.ts';
import type { StateTree } from '../state/tree.ts';
import { orderedRootWork } from '../state/trie/root.ts';
import type { ChangeSet, StateView } from '../state/view.ts';
import { apiVersions, sharedApis } from './apis.ts';
import { type EventRecord, linkCalls, type PalletSource, type RuntimeCall, recordCodec } from './calls.ts';
import type { ParentInfo } from './chain.ts';
import { blockAt, Context, type Kernel } from './context.ts';
import {
  type DispatchError,
  DispatchFailure,
  type TransactionValidityError,
  ValidityFailure,
  validityText,
} from './errors.ts';
import { BlockExecution, cachedKeys, enter } from './executive.ts';
import { codeMarker, type GenesisConfig, genesisState } from './genesis.ts';
import type { Host } from './host.ts';
import { describe, type MetadataVersion } from './metadata.ts';
import type { Api, ApiMethod } from './pallet.ts';
import type { RuntimeSpec, RuntimeVersion } from './spec.ts';
import { judge, read } from './validity.ts';
import { blockWeights } from './weights.ts';

/** Why a block is refused. */
export const BLOCK_FAULTS = {
  WrongParent: 'the block does not continue the parent it was executed on',
  WrongExtrinsicsRoot: 'the extrinsics are not those of the header',
  MissingInherents: 'the block does not begin with its inherents',
  InvalidExtrinsic: 'an extrinsic of the block is not valid where it stands',
  WrongDigest: 'the digest of the header is not what execution left',
  WrongStateRoot: 'execution led to another state root than the header says',
} as const;
export type BlockFault = keyof typeof BLOCK_FAULTS;

/** A block and everything that it did. */
export interface Executed {
  readonly ok: true;
  readonly changes: ChangeSet;
  /** The state after the block. */
  readonly tree: StateTree;
  readonly events: readonly EventRecord[];
}
export type ExecutionResult = Executed | { readonly ok: false; readonly code: BlockFault; readonly detail: string };

export interface ExecutionOptions {
  /** Checks every pallet's invariant after the block; a broken one is a bug and stops the node. */
  readonly check?: boolean;
}

export interface BuilderOptions extends ExecutionOptions {
  /** PreRuntime items that execution may see: none on compute-pow chains. */
  readonly preDigest?: readonly DigestItem[];
}

/** What a builder says of a transaction. `future` may be valid later, `exhausted` in an emptier block. */
export type Applied =
  | { readonly applied: true; readonly error: DispatchError | undefined }
  | {
      readonly applied: false;
      readonly error: TransactionValidityError;
      readonly kind: 'invalid' | 'future' | 'exhausted';
    };

export interface BlockBuilder {
  /** Adds an extrinsic (length prefix included) where it is valid; its call may fail all the same. */
  apply(extrinsic: Bytes): Applied;
  /** The finished block, its header without `pow_` items and seal. Nothing may be applied afterwards. */
  finish(): BuiltBlock;
  /** `finish` in pieces. */
  finishing(): Work<BuiltBlock>;
}

/** What a builder made. */
export interface BuiltBlock {
  readonly header: Header;
  readonly extrinsics: readonly Bytes[];
  readonly changes: ChangeSet;
  readonly tree: StateTree;
  readonly events: readonly EventRecord[];
}

/** How the pool may order a transaction, or why it is refused. `longevity` is in blocks. */
export type Validity =
  | {
      readonly ok: true;
      readonly priority: bigint;
      readonly requires: readonly Bytes[];
      readonly provides: readonly Bytes[];
      readonly longevity: bigint;
      readonly propagate: boolean;
    }
  | { readonly ok: false; readonly error: TransactionValidityError; readonly malformed: boolean };

export type CallResult =
  | { readonly ok: true; readonly output: Bytes }
  | { readonly ok: false; readonly code: 'UnknownFunction' | 'BadArguments' | 'Refused'; readonly detail: string };

/** The block whose state is looked at. */
export interface At {
  readonly number: number;
  readonly hash: Bytes;
}

export interface Runtime {
  readonly spec: RuntimeSpec;
  readonly version: RuntimeVersion;
  /** Calls by name <-> bytes: for tools that build extrinsics, and for whoever shows them. */
  readonly Call: Codec<RuntimeCall>;
  /** What System.Events holds. */
  readonly Events: Codec<EventRecord[]>;
  metadata(version: MetadataVersion): Bytes;
  /** Keys and values of block 0; ConfigError where the config has no meaning. */
  genesis(config: GenesisConfig): [Bytes, Bytes][];
  execute(
    parentState: StateTree,
    block: { readonly header: Header; readonly extrinsics: readonly Bytes[] },
    parent: ParentInfo,
    options?: ExecutionOptions,
  ): ExecutionResult;
  /** `execute` in pieces: an extrinsic is one. */
  executing(
    parentState: StateTree,
    block: { readonly header: Header; readonly extrinsics: readonly Bytes[] },
    parent: ParentInfo,
    options?: ExecutionOptions,
  ): Work<ExecutionResult>;
  builder(parentState: StateTree, parent: ParentInfo, timestampMs: bigint, options?: BuilderOptions): BlockBuilder;
  validate(view: StateView, extrinsic: Bytes, at: At): Validity;
  /** Runs `<Api>_<method>` on a state; `data` is the SCALE of its arguments. */
  call(view: StateView, fn: string, data: Bytes, at: At): CallResult;
}

export interface RuntimeParts {
  readonly pallets: readonly PalletSource[];
  readonly spec: RuntimeSpec;
  readonly host: Host;
}

/** Makes the runtime of a chain. */
export function createRuntime({ pallets, spec, host }: RuntimeParts): Runtime {
  const calls = linkCalls(pallets);
  const made: { metadata?: (version: MetadataVersion) => Bytes } = {};
  const metadata = (version: MetadataVersion): Bytes => {
    made.metadata ??= describe(kernel, apis);
    return made.metadata(version);
  };
  const shared = sharedApis({
    calls,
    get kernel() {
      return kernel;
    },
    metadata,
  });
  const apis = [...shared, ...calls.pallets.flatMap((pallet) => pallet.apis)];
  const record = recordCodec(calls.pallets);
  const kernel: Kernel = {
    calls,
    spec,
    version: versionOf(spec, apis),
    host,
    record,
    records: vec(record),
    limits: blockWeights(spec.blockWeightPs),
    marker: () => codeMarker(spec, metadata(16)),
  };
  const functions = functionsOf(apis);
  const validate = validator(kernel);
  return {
    spec,
    version: kernel.version,
    Call: calls.Call,
    Events: kernel.records,
    metadata,
    genesis: (config) => genesisState(kernel, config),
    execute: (parentState, block, parent, options = {}) =>
      finish(executing(kernel, { parentState, block, parent, options })),
    executing: (parentState, block, parent, options = {}) => executing(kernel, { parentState, block, parent, options }),
    builder: (parentState, parent, timestampMs, options = {}) =>
      build(kernel, { parentState, parent, timestampMs, options }),
    validate: (view, extrinsic, at) => validate({ view, extrinsic, at }),
    call: (view, fn, data, at) => callApi(kernel, functions.get(fn), { view, fn, data, at }),
  };
}

function versionOf(spec: RuntimeSpec, apis: readonly Api[]): RuntimeVersion {
  return {
    spec_name: spec.specName,
    impl_name: spec.implName,
    authoring_version: spec.authoringVersion,
    spec_version: spec.specVersion,
    impl_version: spec.implVersion,
    apis: apiVersions(apis),
    transaction_version: spec.transactionVersion,
    // 1: extrinsics roots of layout V0, states of version 1.
    system_version: 1,
  };
}

function functionsOf(apis: readonly Api[]): ReadonlyMap<string, ApiMethod> {
  return new Map(
    apis.flatMap(({ name, methods }) =>
      Object.entries(methods).map(([method, of]): [string, ApiMethod] => [`${name}_${method}`, of]),
    ),
  );
}

interface ExecutionInput {
  readonly parentState: StateTree;
  readonly block: { readonly header: Header; readonly extrinsics: readonly Bytes[] };
  readonly parent: ParentInfo;
  readonly options: ExecutionOptions;
}

function* executing(kernel: Kernel, { parentState, block, parent, options }: ExecutionInput): Work<ExecutionResult> {
  const { header, extrinsics } = block;
  const hash = headerHash(parent.header);
  const continues = equal(header.parentHash, hash) && header.number === parent.header.number + 1;
  if (!continues || !equal(parent.header.stateRoot, parentState.root)) return refused('WrongParent');
  if (!equal(yield* orderedRootWork(extrinsics), header.extrinsicsRoot)) return refused('WrongExtrinsicsRoot');
  const visible = visibleDigest(header.digest);
  const pre = visible.filter(({ type }) => type === 'PreRuntime');
  const execution = new BlockExecution(kernel, new Overlay(parentState), { ...parent, hash }, pre);
  if (extrinsics.length < execution.inherentCount) return refused('MissingInherents');
  execution.initialize();
  for (const [index, extrinsic] of extrinsics.entries()) {
    yield;
    const refusal = refusalOf(() => execution.apply(extrinsic));
    if (refusal !== undefined) return refused('InvalidExtrinsic', `extrinsic ${index}: ${validityText(refusal)}`);
  }
  yield;
  const { digest, events } = execution.finalize();
  if (!sameDigest(digest, visible)) return refused('WrongDigest');
  checkInvariants(execution, options);
  const changes = execution.changes();
  yield;
  const tree = yield* parentState.changing(changes);
  if (!equal(tree.root, header.stateRoot)) return refused('WrongStateRoot', `executed ${toHex(tree.root)}`);
  return { ok: true, changes, tree, events };
}

function refused(code: BlockFault, detail: string = BLOCK_FAULTS[code]): ExecutionResult {
  return { ok: false, code, detail };
}

/** How `apply` refuses, if it does. */
function refusalOf(apply: () => unknown): TransactionValidityError | undefined {
  try {
    apply();
    return undefined;
  } catch (failure) {
    // A refused transaction is a result here; anything else is a bug.
    if (failure instanceof ValidityFailure) return failure.error;
    throw failure;
  }
}

/** What of a header's digest execution sees and answers for: neither `pow_` items nor seals. */
function visibleDigest(digest: readonly DigestItem[]): readonly DigestItem[] {
  return digest.filter((item) => {
    if (item.type === 'Seal') return false;
    return !(item.type === 'PreRuntime' && item.value.engine === POW_ENGINE);
  });
}

function sameDigest(a: readonly DigestItem[], b: readonly DigestItem[]): boolean {
  return equal(Digest.enc(a), Digest.enc(b));
}

function checkInvariants(execution: BlockExecution, { check }: ExecutionOptions): void {
  if (check !== true) return;
  const broken = execution.brokenInvariant();
  assert(broken === undefined, `block ${execution.context.block.number}: ${broken}`);
}

interface BuildInput {
  readonly parentState: StateTree;
  readonly parent: ParentInfo;
  readonly timestampMs: bigint;
  readonly options: BuilderOptions;
}

function build(kernel: Kernel, { parentState, parent, timestampMs, options }: BuildInput): BlockBuilder {
  const parentHash = headerHash(parent.header);
  const execution = new BlockExecution(
    kernel,
    new Overlay(parentState),
    { ...parent, hash: parentHash },
    options.preDigest ?? [],
  );
  const extrinsics: Bytes[] = [];
  execution.initialize();
  for (const call of execution.inherents(timestampMs)) {
    const { bytes } = bareExtrinsic(kernel.calls.Call.enc(call));
    const refusal = refusalOf(() => execution.apply(bytes));
    assert(refusal === undefined, 'an inherent of our own making is refused');
    extrinsics.push(bytes);
  }
  return {
    apply(extrinsic) {
      let error: DispatchError | undefined;
      const refusal = refusalOf(() => {
        error = execution.apply(extrinsic);
      });
      if (refusal !== undefined) return { applied: false, error: refusal, kind: kindOf(refusal) };
      extrinsics.push(extrinsic);
      return { applied: true, error };
    },
    finish() {
      return finish(this.finishing());
    },
    *finishing() {
      const { digest, events } = execution.finalize();
      checkInvariants(execution, options);
      const changes = execution.changes();
      yield;
      const tree = yield* parentState.changing(changes);
      const { number } = execution.context.block;
      yield;
      const extrinsicsRoot = yield* orderedRootWork(extrinsics);
      const header: Header = { parentHash, number, stateRoot: tree.root, extrinsicsRoot, digest };
      return { header, extrinsics, changes, tree, events };
    },
  };
}

function kindOf({ value }: TransactionValidityError): 'invalid' | 'future' | 'exhausted' {
  if (value.type === 'Future') return 'future';
  return value.type === 'ExhaustsResources' ? 'exhausted' : 'invalid';
}

/** An execution in the block after `at`, as transactions are judged. */
function nextBlock(kernel: Kernel, overlay: Overlay, at: At): Context {
  const block = blockAt(at.number + 1, at.hash, kernel.spec.eraBlocks);
  const context = new Context(kernel, overlay, block, cachedKeys());
  enter(context, at.hash);
  return context;
}

interface ValidationInput {
  readonly view: StateView;
  readonly extrinsic: Bytes;
  readonly at: At;
}

/** Transactions judged in one execution: then what was read for them is forgotten, a kilobyte each at most. */
const JUDGED_TOGETHER = 1_024;

/** Judges transactions; those on one state one after the other in one execution, which each leaves as it was. */
function validator(kernel: Kernel): (input: ValidationInput) => Validity {
  let open: { readonly view: StateView; readonly at: At; readonly overlay: Overlay; readonly context: Context };
  let judged = JUDGED_TOGETHER;
  return ({ view, extrinsic, at }) => {
    const known = read(kernel.calls, extrinsic);
    if (known === undefined) {
      return { ok: false, error: { type: 'Invalid', value: { type: 'Call' } }, malformed: true };
    }
    if (++judged > JUDGED_TOGETHER || open.view !== view || !sameBlock(open.at, at)) {
      const overlay = new Overlay(view);
      open = { view, at, overlay, context: nextBlock(kernel, overlay, at) };
      judged = 1;
    }
    open.overlay.begin();
    try {
      return { ok: true, ...judge(open.context, kernel, known) };
    } catch (failure) {
      // A refused transaction is a result here; anything else is a bug.
      if (failure instanceof ValidityFailure) return { ok: false, error: failure.error, malformed: false };
      throw failure;
    } finally {
      open.overlay.rollback();
    }
  };
}

function sameBlock(a: At, b: At): boolean {
  return a.number === b.number && equal(a.hash, b.hash);
}

interface CallInput {
  readonly view: StateView;
  readonly fn: string;
  readonly data: Bytes;
  readonly at: At;
}

function callApi(kernel: Kernel, method: ApiMethod | undefined, { view, fn, data, at }: CallInput): CallResult {
  if (method === undefined) return { ok: false, code: 'UnknownFunction', detail: `no function ${fn}` };
  let args: Readonly<Record<string, unknown>>;
  try {
    args = struct(method.args).dec(data);
  } catch (error) {
    // Arguments from outside that are none.
    if (error instanceof CodecError) return { ok: false, code: 'BadArguments', detail: error.message };
    throw error;
  }
  const context =
    method.next === true
      ? nextBlock(kernel, new Overlay(view), at)
      : new Context(kernel, new Overlay(view), blockAt(at.number, at.hash, kernel.spec.eraBlocks));
  try {
    return { ok: true, output: method.output.enc(method.run(context, args)) };
  } catch (failure) {
    // A function that says no; anything else is a bug.
    const refused = failure instanceof ValidityFailure || failure instanceof DispatchFailure;
    if (refused) return { ok: false, code: 'Refused', detail: failure.message };
    throw failure;
  }
}
