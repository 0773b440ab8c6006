/**
 * # Inbox: what gossip has brought already.
 *
 * Always true: the last MEMORY messages are known, by their bytes; a message that is older than those comes through
 * again, as it does when gossip's own memory ends.
 */
import type { Bytes } from '../base/bytes.ts';
import { keyOf } from '../state/key.ts';

const MEMORY = 512;

export class Inbox {
  private readonly seen = new Set<string>();

  isNew(message: Bytes): boolean {
    const key = keyOf(message);
    if (this.seen.has(key)) return false;
    this.seen.add(key);
    if (this.seen.size > MEMORY) {
      const [oldest] = this.seen;
      if (oldest !== undefined) this.seen.delete(oldest);
    }
    return true;
  }

  forget(message: Bytes): void {
    this.seen.delete(keyOf(message));
  }
}
