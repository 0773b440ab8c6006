// Memory: the first page belongs to the module (static tables and small accumulators); all else belongs to the caller.

/** The first byte after the module's static data; the build checks that it lies within page 0. */
export function staticEnd(): usize {
  return __heap_base;
}
