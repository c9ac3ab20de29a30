import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SLOTS } from '../../../broker/subjects.ts';
import { limits } from '../../../platform/limits.ts';

describe('limits', () => {
  it('are positive whole numbers whose names say unit and bound', () => {
    const units = /(Ms|Bytes|Chars|Messages|Events|Entries|Users|Ids|Count|Max|Default|First|Last)/;
    for (const [name, value] of Object.entries(limits)) {
      expect(Number.isInteger(value) && value > 0, name).toBe(true);
      expect(name).toMatch(units);
    }
  });

  it('nest: a text fits a record, a record a batch, a batch a payload', () => {
    // A character is at most four bytes of UTF-8; the text of one message must fit one record, with room for the rest.
    expect(limits.textCharsMax * 4).toBeLessThan(limits.recordBytesMax - 16 * 1_024);
    expect(limits.recordBytesMax * 2).toBeLessThanOrEqual(limits.batchBytesMax);
    expect(limits.batchBytesMax * 2).toBeLessThanOrEqual(limits.natsPayloadBytesMax);
    expect(limits.snapshotShardBytesMax).toBeLessThan(limits.recordBytesMax);
  });

  it('remember at least the mutations that exactly-once promises', () => {
    expect(limits.dedupeEntriesPerChannelMax).toBeGreaterThanOrEqual(1_000);
    expect(limits.hotTailEventsPerChannelMax).toBeGreaterThanOrEqual(limits.snapshotEveryEvents);
  });

  it('let several of the shorter waits fit into each longer one', () => {
    expect(limits.commandResendMs * 5).toBeLessThan(limits.commandBudgetMs);
    expect(limits.commandBackoffLastMs).toBeLessThan(limits.commandResendMs);
    expect(limits.membershipAnswerWaitMs).toBeLessThan(limits.commandBudgetMs - limits.commandResendMs);
    expect(limits.heartbeatMs * 3).toBeLessThan(limits.suspectAfterMs);
    expect(limits.ringManagerRenewMs * 2).toBeLessThan(limits.ringManagerLeaseMs);
    expect(limits.suspectAfterMs + limits.suspectPingMs).toBeLessThan(1_000);
    // A worker that alone has all slots gives them away in the time that it has for its drain.
    expect((SLOTS / limits.handoffSlotsMax) * limits.handoffStepMs * 2).toBeLessThan(limits.drainMs);
    expect(limits.handoffPreparedMs + limits.handoffOverlapMs).toBeLessThan(limits.handoffMs);
    expect(limits.handoffStepMs * 2).toBeLessThan(limits.handoffCalmMs);
    expect(limits.ticketLifeMs).toBeGreaterThan(limits.resumeWaitMs);
  });

  it('let every cursor that a session may name fit into frames that are answered', () => {
    // Ids have up to 31 characters; with quotes, colon, comma and a seq of ten digits.
    expect(limits.socketFrameBytesMax).toBeGreaterThan(limits.resumeCursorsMax * (31 + 4 + 10));
    expect(limits.socketFrameBytesMax).toBeGreaterThan(limits.resumeFrameBytesMax);
  });

  it("let the list of a user's channels end within the answers that it may take", () => {
    // A channel takes some 240 bytes of an answer.
    const listed = limits.membershipAnswersMax * Math.floor(limits.readAnswerBytesMax / 240);
    expect(listed).toBeGreaterThan(limits.membershipsRememberedMax);
    expect(limits.membershipsRememberedMax).toBeGreaterThanOrEqual(2 * limits.channelsPerUserMax);
  });

  it('agree with the broker configuration', () => {
    const conf = readFileSync('nats.conf', 'utf8');
    expect(conf).toMatch(new RegExp(`^max_payload: ${limits.natsPayloadBytesMax / 1_048_576}MB$`, 'm'));
  });
});
