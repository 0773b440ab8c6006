/** # Reference, optimise: AdamW, SGD and the check for non-finite values (sections 9 and 10 of docs/spec/engine.md). */
import type { KernelCalls } from '../kernels.ts';
import type { LinearMemory } from './memory.ts';

const f = Math.fround;
const EXPONENT = 0x7f800000;

export function optimise(memory: LinearMemory): Pick<KernelCalls, 'adamw' | 'sgd' | 'nonFinite'> {
  return {
    adamw(theta, m, v, g, n, lr, b1, b2, eps, wd, c1, c2) {
      const weights = memory.floats(theta, n);
      const first = memory.floats(m, n);
      const second = memory.floats(v, n);
      const gradient = memory.floats(g, n);
      for (let i = 0; i < n; i++) {
        const [t, gi] = [weights[i] as number, gradient[i] as number];
        const mi = f(f(b1 * (first[i] as number)) + f(f(1 - b1) * gi));
        const vi = f(f(b2 * (second[i] as number)) + f(f(1 - b2) * f(gi * gi)));
        first[i] = mi;
        second[i] = vi;
        const root = f(f(Math.sqrt(f(vi * c2))) + eps);
        weights[i] = t - f(lr * f(f(f(mi * c1) / root) + f(wd * t)));
      }
    },
    sgd(theta, m, g, n, lr, mu, wd, nesterov) {
      const weights = memory.floats(theta, n);
      const momentum = m === 0 ? new Float32Array(n) : memory.floats(m, n);
      const gradient = memory.floats(g, n);
      for (let i = 0; i < n; i++) {
        const t = weights[i] as number;
        const d = f((gradient[i] as number) + f(wd * t));
        const mi = f(f(mu * (momentum[i] as number)) + d);
        momentum[i] = mi;
        weights[i] = t - f(lr * (nesterov ? f(d + f(mu * mi)) : mi));
      }
    },
    nonFinite(x, n) {
      return memory.words(x, n).some((bits) => (bits & EXPONENT) === EXPONENT) ? 1 : 0;
    },
  };
}
