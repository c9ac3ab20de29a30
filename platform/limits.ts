/**
 * Every limit of the system, with its unit last in its name and what happens beyond it.
 *
 * L1  Every queue, buffer, map that grows with use, frame, retry and time-out has its entry here.
 * L2  Overflow is explicit: an error that says whether to retry, a documented close code, or an eviction that can
 *     be rebuilt from the log. Never unbounded memory, never a silent drop (G8).
 * L3  Relations between limits that the design rests on are asserted by test/unit/platform/limits.test.ts.
 */
import { actorLimits } from './limits-actor.ts';
import { apiLimits } from './limits-api.ts';
import { clusterLimits } from './limits-cluster.ts';
import { gatewayLimits } from './limits-gateway.ts';
import { logLimits } from './limits-log.ts';

export const limits = {
  ...apiLimits,
  ...logLimits,
  ...actorLimits,
  ...gatewayLimits,
  ...clusterLimits,
} as const;
