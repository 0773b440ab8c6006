/** # Encode: answers and events as JSON; bigint becomes a decimal string, since numbers of clients end at 2^53. */

/** The JSON of a value. */
export function encodeJson(value: unknown): string {
  try {
    // A replacer is called for every field and makes plain answers three times as dear: only bigint needs one.
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? item.toString() : item));
  }
}
