/** # Assert: a broken invariant of our own code stops the node; it is never used on what a peer sent. */

/** A fault of this program. Expected failures are typed codes; a Bug is caught by nobody but the process. */
export class Bug extends Error {
  override readonly name = 'Bug';
}

/** Throws Bug with `message` unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Bug(message);
}

/** The value, or a Bug when it is absent: for lookups that an invariant guarantees. */
export function must<T>(value: T | undefined | null, message: string): T {
  if (value === undefined || value === null) throw new Bug(message);
  return value;
}

/** Marks a switch as complete at compile time. */
export function unreachable(value: never): never {
  throw new Bug(`unreachable: ${String(value)}`);
}
