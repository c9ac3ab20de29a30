/** Runs something under other limits than Belfry's own: tighter ones, so that a small load reaches them. */
import { limits } from '../../platform/limits.ts';

export type OtherLimits = { readonly [name in keyof typeof limits]?: number };

export async function withLimits<T>(others: OtherLimits, run: () => Promise<T>): Promise<T> {
  const own = Object.fromEntries(Object.keys(others).map((name) => [name, limits[name as keyof typeof limits]]));
  Object.assign(limits, others);
  try {
    return await run();
  } finally {
    Object.assign(limits, own);
  }
}
