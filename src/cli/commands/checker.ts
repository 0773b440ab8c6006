/** # checker: executes drawn segments again for a checker's account; a dev validator starts one by itself. */
import { installFastTree } from '../../compute/engine/fast-tree.ts';
import { installFastPaths } from '../../crypto/native/install.ts';
import { ss58Encode } from '../../crypto/ss58.ts';
import { BlobClient } from '../../miner/blob-client.ts';
import { Checker } from '../../miner/checker.ts';
import { parseFlags, UsageError, usage } from '../flags.ts';
import { stopped } from '../stopped.ts';
import type { Terminal } from '../terminal.ts';
import {
  chosenIdentity,
  devChecker,
  httpUrl,
  IDENTITY_FLAGS,
  KEY_FLAGS,
  keptIdentity,
  LINK_FLAGS,
  tokenOf,
} from './miner.ts';

const FLAGS = {
  ...LINK_FLAGS,
  ...IDENTITY_FLAGS,
  account: { kind: 'value', value: 'ADDRESS', help: 'the genesis checker that the key works for' },
  ...KEY_FLAGS,
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

/** `maitoken checker --bob`. */
export async function checkerCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken checker', argv, FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken checker', 'executes drawn segments again', FLAGS));
    return 0;
  }
  const name = chosenIdentity(options);
  const identity = name ? devChecker(name) : await keptIdentity(options, 'chek');
  if (!identity) {
    throw new UsageError('maitoken checker: give --keystore-path and --account of a genesis checker, or --bob');
  }
  await installFastPaths();
  installFastTree((text) => terminal.err(text));
  const { account, key } = identity;
  const url = options.node ?? 'ws://127.0.0.1:9944';
  const checker = new Checker({
    node: url,
    account,
    key,
    blobs: new BlobClient(httpUrl(url), tokenOf(options['blob-token-file'])),
    onEvent: (event) =>
      terminal.out(JSON.stringify({ at: Date.now(), checker: name ?? ss58Encode(account, 42), ...event })),
  });
  checker.start();
  const code = await stopped(terminal, options['end-with-parent']);
  checker.stop();
  return code;
}
