/** # Verifier thread: answers claims with verdicts, once its fast paths have proven themselves here as in the node. */
import { parentPort } from 'node:worker_threads';
import { must } from '../base/assert.ts';
import { installFastPaths } from '../crypto/native/install.ts';
import { verdictsOn } from './verifier-messages.ts';

const port = must(parentPort, 'this runs in a worker');
const ready = installFastPaths();
port.on('message', (claims: Uint8Array) => void ready.then(() => port.postMessage(verdictsOn(claims))));
