/** # sign, verify: a message under a key, as Substrate's `sign` and `verify` do it: the bytes, without a wrapper. */
import { fromHex, toHex, utf8 } from '../../base/bytes.ts';
import { ss58Decode } from '../../crypto/ss58.ts';
import { keypairFromSuri } from '../../crypto/suri.ts';
import { verifySignature } from '../../crypto/verify.ts';
import { parseFlags, UsageError, usage } from '../flags.ts';
import { schemeOf } from '../scheme.ts';
import { secretUri } from '../secrets.ts';
import type { Terminal } from '../terminal.ts';

const MESSAGE_FLAGS = {
  scheme: { kind: 'value', value: 'NAME', help: 'sr25519, ed25519 or ecdsa (default sr25519)' },
  message: { kind: 'value', value: 'TEXT', help: 'what is signed' },
  hex: { kind: 'flag', help: 'the message is hex' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;
const SIGN_FLAGS = {
  suri: {
    kind: 'value',
    value: 'FILE',
    help: 'file with the secret URI, - for standard input, or a dev key (//Alice)',
  },
  ...MESSAGE_FLAGS,
} as const;

/** `maitoken sign --suri FILE --message TEXT`. */
export async function signCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options } = parseFlags('maitoken sign', argv, SIGN_FLAGS);
  if (options.help) {
    terminal.out(usage('maitoken sign', 'signs a message', SIGN_FLAGS));
    return 0;
  }
  const message = messageOf(options);
  const pair = keypairFromSuri(await secretUri('--suri', options.suri), schemeOf(options.scheme));
  terminal.out(toHex(pair.sign(message)));
  return 0;
}

/** `maitoken verify SIGNATURE ADDRESS|PUBLIC-KEY --message TEXT`. */
export async function verifyCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { options, positionals } = parseFlags('maitoken verify', argv, MESSAGE_FLAGS, 2);
  const [signature, who] = positionals;
  if (options.help) {
    terminal.out(usage('maitoken verify SIGNATURE ADDRESS|PUBLIC-KEY', 'verifies a signature', MESSAGE_FLAGS));
    return 0;
  }
  if (signature === undefined || who === undefined) {
    throw new UsageError('maitoken verify: give the signature, and the address or public key');
  }
  const publicKey = /^0x[0-9a-f]+$/i.test(who) ? hexOf('the public key', who) : ss58Decode(who).account;
  const message = messageOf(options);
  if (!verifySignature(schemeOf(options.scheme), hexOf('the signature', signature), message, publicKey)) {
    throw new UsageError('Signature invalid.', 1);
  }
  terminal.out('Signature verifies correctly.');
  return 0;
}

function messageOf({ message, hex }: { readonly message: string | undefined; readonly hex: boolean }): Uint8Array {
  if (message === undefined) throw new UsageError('--message: give the text that is signed');
  return hex ? hexOf('--message', message) : utf8(message);
}

function hexOf(name: string, text: string): Uint8Array {
  if (!/^(0x)?([0-9a-f]{2})*$/i.test(text)) throw new UsageError(`${name}: not hex`);
  return fromHex(text.toLowerCase());
}
