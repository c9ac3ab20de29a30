/**
 * When is a node dead? The rules, over the evidence that a watcher gathered about one incarnation. Pure.
 *
 * Invariants:
 * D1  Only a worker is judged fast: its slots wait for the verdict. A webapp or gateway that lost its connection for a
 *     moment costs more dead than waited for; one whose connections are up is starved rather than gone, and to end it
 *     would throw out all its sessions, so its silence has to last longer still.
 * D2  Silence alone never kills a worker within reach of a ping: there is always a ping that went unanswered, or that
 *     the broker answered with "nobody".
 * D3  When more than half of the nodes fall silent at once, it is the broker or we: everybody gets the slow rule.
 */
import { limits } from '../platform/limits.ts';
import type { Role } from '../protocol/cluster.ts';

export interface Evidence {
  /** The last sign of life: a heartbeat, a pong, or learning of the node. */
  heardMs: number;
  /** Lanes whose connection the broker saw end since the last pong, and when. */
  readonly lanesLost: Map<string, number>;
  /** The first ping without an answer since the last sign of life. */
  pingedMs: number | undefined;
  /** The first "nobody listens" since the last sign of life. */
  nobodyMs: number | undefined;
}

export type Verdict = 'well' | 'suspect' | 'dead';

export interface Circumstances {
  readonly nowMs: number;
  readonly role: Role;
  /** The system account tells of ended connections. Without it silence has to last longer. */
  readonly advisories: boolean;
  /** D3 */
  readonly manySilent: boolean;
}

export const newEvidence = (heardMs: number): Evidence => ({
  heardMs,
  lanesLost: new Map(),
  pingedMs: undefined,
  nobodyMs: undefined,
});

/** A heartbeat. One that was on its way when the node died must not hide that its lanes ended. */
export function noteBeat(evidence: Evidence, heardMs: number): void {
  evidence.heardMs = Math.max(evidence.heardMs, heardMs);
  evidence.pingedMs = undefined;
  evidence.nobodyMs = undefined;
}

/** An answer to a ping: it was asked after whatever happened before. */
export function notePong(evidence: Evidence, heardMs: number): void {
  noteBeat(evidence, heardMs);
  evidence.lanesLost.clear();
}

export function isSilent(evidence: Evidence, nowMs: number): boolean {
  return nowMs - evidence.heardMs > limits.suspectAfterMs;
}

export function judge(evidence: Evidence, circumstances: Circumstances): Verdict {
  const { nowMs } = circumstances;
  const doubted = isSilent(evidence, nowMs) || evidence.lanesLost.size > 0;
  if (!doubted) return 'well';
  return isDead(evidence, circumstances) ? 'dead' : 'suspect';
}

function isDead(evidence: Evidence, circumstances: Circumstances): boolean {
  const { nowMs, role, manySilent } = circumstances;
  if (role !== 'worker' && evidence.nobodyMs === undefined) {
    return nowMs - evidence.heardMs >= limits.starvedDeadMs && isUnanswered(evidence, nowMs);
  }
  return role !== 'worker' || manySilent ? isDeadSlowly(evidence, nowMs) : isDeadFast(evidence, circumstances);
}

function isDeadFast(evidence: Evidence, { nowMs, advisories }: Circumstances): boolean {
  const silent = isSilent(evidence, nowMs);
  if (evidence.nobodyMs !== undefined) {
    // A process that ended loses all its lanes together; one lane may be a connection that comes back.
    if (silent || evidence.lanesLost.size > 1) return true;
    return nowMs - evidence.nobodyMs >= limits.laneLossPatienceMs;
  }
  if (!advisories) return isDeadSlowly(evidence, nowMs);
  return nowMs - evidence.heardMs >= limits.frozenDeadMs && isUnanswered(evidence, nowMs);
}

function isDeadSlowly(evidence: Evidence, nowMs: number): boolean {
  return nowMs - evidence.heardMs >= limits.silenceDeadMs && isUnanswered(evidence, nowMs);
}

function isUnanswered({ pingedMs, nobodyMs }: Evidence, nowMs: number): boolean {
  return nobodyMs !== undefined || (pingedMs !== undefined && nowMs - pingedMs >= limits.suspectPingMs);
}
