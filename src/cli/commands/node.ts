/**
 * # node: runs a node until it is told to stop. Flags have the names, meanings and defaults of Substrate's nodes.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../../base/bytes.ts';
import type { Keypair } from '../../crypto/keypair.ts';
import { installFastPaths } from '../../crypto/native/install.ts';
import { KeystoreError } from '../../keystore/errors.ts';
import type { Keystore, StoredKey } from '../../keystore/keystore.ts';
import { startChildren } from '../../node/children.ts';
import type { NodeConfig } from '../../node/config.ts';
import { type RunningNode, startNode } from '../../node/node.ts';
import { NODE_NAME, NODE_VERSION } from '../../node/version.ts';
import { fundedAccounts } from '../dev-accounts.ts';
import { operatorCode } from '../exit-codes.ts';
import { parseFlags, usage } from '../flags.ts';
import { type LogFilter, logFilter } from '../log-filter.ts';
import { keystoreOf } from '../secrets.ts';
import { stopped } from '../stopped.ts';
import type { Terminal } from '../terminal.ts';
import { configOf } from './node-config.ts';
import { NODE_FLAGS, type NodeOptions } from './node-flags.ts';

/** `maitoken [node options]`. Resolves with the exit code when the node has stopped. */
export async function nodeCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken', argv, NODE_FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken', 'runs a node', NODE_FLAGS));
    return 0;
  }
  if (options.version) {
    terminal.out(`${NODE_NAME} ${NODE_VERSION}`);
    return 0;
  }
  const log = logFilter(terminal, options.log, options['detailed-log-output']);
  const config = configOf(options);
  try {
    const { keystore, authoringKeys } = await openKeystore(options, config, log);
    for (const path of await installFastPaths()) {
      if (path.active === 'reference') log('warn', `crypto: ${path.name}: slow reference in use: ${path.reason}`);
    }
    const keyed = { ...config, authoringKeys };
    return await run({ config: keyed, keystore, log, terminal, withParent: options['end-with-parent'] });
  } finally {
    if (config.tmp) rmSync(config.basePath, { recursive: true, force: true });
  }
}

interface OpenKeystore {
  readonly keystore: Keystore;
  /** Those that take turns at authoring. */
  readonly authoringKeys: readonly Keypair[];
}

/** Opens every key once: a wrong passphrase or a readable file ends the start, not the first signature. */
async function openKeystore(options: NodeOptions, config: NodeConfig, log: LogFilter): Promise<OpenKeystore> {
  const { spec, basePath, tmp } = config;
  const isDev = tmp || spec.chainType === 'Development';
  const keystore = await keystoreOf(options, join(basePath, 'chains', spec.id), isDev);
  const opened: StoredKey[] = [];
  for (const key of await keystore.list()) {
    try {
      opened.push(await keystore.open(key));
    } catch (error) {
      const isOpen = error instanceof KeystoreError && (error.code === 'Readable' || error.code === 'Plain');
      // Network tools put plain keys where everybody can read them. On a chain of well-known keys that hurts nobody.
      if (!isOpen || (spec.chainType !== 'Local' && !isDev)) throw error;
      log('warn', `keystore: a key is not used: ${error.message}`);
    }
  }
  if (opened.length > 0) log('info', `keystore: ${opened.map(({ keyType }) => keyType).join(', ')}`);
  return {
    keystore,
    authoringKeys: opened.filter(({ keyType }) => keyType === 'slot').map(({ keypair }) => keypair),
  };
}

interface Run {
  readonly config: NodeConfig;
  readonly keystore: Keystore;
  readonly log: LogFilter;
  readonly terminal: Terminal;
  /** Ends when the parent process does. */
  readonly withParent: boolean;
}

async function run({ config, keystore, log, terminal, withParent }: Run): Promise<number> {
  const fatal = Promise.withResolvers<number>();
  const stop = stopped(terminal, withParent);
  const ending = new AbortController();
  stop.then(() => ending.abort());
  const node = await startNode(config, {
    signal: ending.signal,
    log,
    keystore,
    onFatal: (error) => {
      // A failed disk is the operator's to mend: one line. Everything else is ours: where it happened.
      const code = operatorCode(error);
      const { message, stack = message } = error instanceof Error ? error : new Error(String(error));
      terminal.err(`fatal: ${code === undefined ? stack : message}`);
      fatal.resolve(code ?? 70);
    },
  });
  banner(node, log);
  const children = startChildren(config, node.rpcPort, {
    log: (text) => log('warn', text),
    onStart: (name) => node.meter?.taskSpawned(name),
  });
  const code = await Promise.race([stop, fatal.promise]);
  await children.stop();
  await node.stop();
  return code;
}

/** What a person, or a tool that reads logs, wants to know of a node that has started. */
function banner({ config, store, network, rpcPort, metricsPort }: RunningNode, log: LogFilter): void {
  const { spec } = config;
  const ws = `ws://127.0.0.1:${rpcPort}`;
  log('info', `${NODE_NAME} ${NODE_VERSION}, ${config.validator ? 'AUTHORITY' : 'FULL'}, name ${config.name}`);
  log('info', `chain ${spec.name}, genesis ${toHex(store.genesis.hash)}`);
  log('info', `best #${store.best.number}, data in ${config.basePath}`);
  log('info', `Local node identity is: ${network.peerId}, listening on ${network.addresses().join(' ')}`);
  log('info', `RPC http://127.0.0.1:${rpcPort} ${ws}`);
  if (metricsPort !== undefined) log('info', `metrics http://127.0.0.1:${metricsPort}/metrics`);
  log('info', `https://polkadot.js.org/apps/?rpc=${ws}#/explorer`);
  log('info', `https://dev.papi.how/explorer#networkId=custom&endpoint=${encodeURIComponent(ws)}`);
  if (spec.chainType !== 'Development') return;
  for (const { name, address } of fundedAccounts(spec.properties.ss58Format)) {
    log('info', `funded: //${name} ${address} (a key that everybody knows)`);
  }
}
