import { describe, expect, it } from 'vitest';
import { judge, newEvidence, noteBeat, notePong, type Circumstances } from '../../../cluster/failure-detector.ts';
import { limits } from '../../../platform/limits.ts';

const at = (nowMs: number, rest: Partial<Circumstances> = {}): Circumstances => ({
  nowMs,
  role: 'worker',
  advisories: true,
  manySilent: false,
  ...rest,
});

describe('a node', () => {
  it('is well while it is heard', () => {
    const evidence = newEvidence(0);
    noteBeat(evidence, 1_000);
    expect(judge(evidence, at(1_000 + limits.suspectAfterMs))).toBe('well');
    expect(judge(evidence, at(1_001 + limits.suspectAfterMs))).toBe('suspect');
  });

  it('is dead at once when all its connections ended and nobody answers for it', () => {
    const evidence = newEvidence(0);
    evidence.lanesLost.set('control', 10).set('commands', 10);
    expect(judge(evidence, at(10))).toBe('suspect');
    evidence.nobodyMs = 11;
    expect(judge(evidence, at(11))).toBe('dead');
  });

  it('gets time to come back when it lost a single connection', () => {
    const evidence = newEvidence(0);
    evidence.lanesLost.set('control', 10);
    evidence.nobodyMs = 11;
    expect(judge(evidence, at(60))).toBe('suspect');
    expect(judge(evidence, at(11 + limits.laneLossPatienceMs))).toBe('dead');
    notePong(evidence, 80);
    expect(judge(evidence, at(200))).toBe('well');
  });

  it('stays suspect when a heartbeat from before its end arrives after it', () => {
    const evidence = newEvidence(0);
    evidence.lanesLost.set('control', 10).set('append', 10);
    noteBeat(evidence, 11);
    expect(judge(evidence, at(12))).toBe('suspect');
  });

  it('is dead when it is silent and a ping found nobody, or met silence for 150 ms', () => {
    const evidence = newEvidence(0);
    expect(judge(evidence, at(10_000))).toBe('suspect');
    evidence.pingedMs = 10_000;
    expect(judge(evidence, at(10_000 + limits.suspectPingMs - 1))).toBe('suspect');
    expect(judge(evidence, at(10_000 + limits.suspectPingMs))).toBe('dead');
    const starved = newEvidence(0);
    starved.pingedMs = 351;
    expect(judge(starved, at(limits.frozenDeadMs - 1))).toBe('suspect');
    expect(judge(starved, at(limits.frozenDeadMs))).toBe('dead');
    const other = newEvidence(0);
    other.nobodyMs = 400;
    expect(judge(other, at(400))).toBe('dead');
  });

  it('needs a longer silence where no advisories come', () => {
    const evidence = newEvidence(0);
    evidence.pingedMs = 351;
    expect(judge(evidence, at(1_499, { advisories: false }))).toBe('suspect');
    expect(judge(evidence, at(limits.silenceDeadMs, { advisories: false }))).toBe('dead');
    evidence.nobodyMs = 400;
    expect(judge(evidence, at(400, { advisories: false }))).toBe('dead');
  });

  it('is judged slowly when it owns no slots, or when most nodes fell silent at once', () => {
    const evidence = newEvidence(0);
    evidence.pingedMs = 351;
    evidence.nobodyMs = 352;
    for (const rest of [{ role: 'gateway' }, { role: 'webapp' }, { manySilent: true }] as const) {
      expect(judge(evidence, at(limits.silenceDeadMs - 1, rest))).toBe('suspect');
      expect(judge(evidence, at(limits.silenceDeadMs, rest))).toBe('dead');
    }
  });

  it('gets time when it is a gateway or webapp that is starved, with its connections up', () => {
    const evidence = newEvidence(0);
    evidence.pingedMs = 351;
    for (const role of ['gateway', 'webapp'] as const) {
      expect(judge(evidence, at(limits.starvedDeadMs - 1, { role }))).toBe('suspect');
      expect(judge(evidence, at(limits.starvedDeadMs, { role }))).toBe('dead');
    }
  });
});
