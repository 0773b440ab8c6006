/** # Config: what an operator chose, as values; nothing beyond the command line reads flags or environment. */
import type { Bytes } from '../base/bytes.ts';
import type { Keypair } from '../crypto/keypair.ts';
import type { ChainSpec } from './chain-spec.ts';

/**
 * The dev identity behind `--alice` and its siblings: `//Alice//stash` owns, `//Alice//compute` mines,
 * `//Alice//authoring` takes turns.
 */
export interface DevIdentity {
  /** Capitalised, e.g. Alice. */
  readonly name: string;
}

export interface NodeConfig {
  readonly spec: ChainSpec;
  /** The file or id the spec came from, for messages and child processes. */
  readonly specSource: string;
  /** Everything the node keeps lies below; removed at the end with `tmp`. */
  readonly basePath: string;
  readonly tmp: boolean;
  readonly name: string;
  readonly validator: boolean;
  /** Takes part in the voting on finality; a validator does unless this is false. */
  readonly votes?: boolean;
  readonly identity: DevIdentity | undefined;
  /** Keys of the keystore that take turns on a chain of slots; `identity` has one of its own. */
  readonly authoringKeys?: readonly Keypair[];
  /** Miner threads of the child process; 0 starts none. */
  readonly minerThreads: number;
  readonly checker: boolean;
  readonly rpc: {
    readonly port: number;
    readonly host: string;
    readonly unsafe: boolean;
    readonly cors: 'all' | readonly string[];
    readonly maxConnections: number;
    readonly maxRequestBytes: number;
    readonly maxSubscriptions: number;
    /** Bytes of the largest answer, calls of a batch (0: none is read), calls a minute of a connection; as it ships. */
    readonly maxResponseBytes?: number | undefined;
    readonly maxBatch?: number | undefined;
    readonly callsPerMinute?: number | undefined;
  };
  readonly p2p: {
    readonly listen: readonly string[];
    readonly publicAddresses: readonly string[];
    readonly bootnodes: readonly string[];
    readonly reservedNodes: readonly string[];
    readonly reservedOnly: boolean;
    readonly inPeers: number;
    readonly outPeers: number;
    readonly mdns: boolean;
    /** 32-byte seed; made and kept in the base path if absent. */
    readonly nodeKey: Bytes | undefined;
  };
  /** Where metrics are served; nowhere if absent. */
  readonly prometheus?:
    | {
        readonly port: number;
        readonly host: string;
        /** A port that is taken ends the start; otherwise the node runs without metrics, and says so. */
        readonly required: boolean;
      }
    | undefined;
  /** Bytes of the database's block cache. */
  readonly dbCacheBytes?: number;
  /** How a node without a chain comes to one: all blocks, or the newest final one with its state; all if absent. */
  readonly sync?: 'full' | 'warp';
  /** Settled blocks whose states are kept, or all. */
  readonly pruning: number | 'archive';
  /** Where texts to train on come from; undefined takes the corpus that ships. */
  readonly data: string | undefined;
  /** Bytes of blobs that are kept. */
  readonly blobBytes: number;
  /** Runs every pallet's invariant after every block. */
  readonly check: boolean;
}
