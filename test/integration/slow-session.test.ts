/** A socket that reads too slowly, on a real gateway: it is cut, never left with a hole (DESIGN section 7). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import type { ChannelId, UserId } from '../../protocol/ids.ts';
import { GatewayLab } from '../support/gateway-lab.ts';
import { until } from '../support/until.ts';

const ALICE = 'U0ALICE' as UserId;
const BOB = 'U0BOBBY' as UserId;
const GENERAL = 'C0GENERAL' as ChannelId;

let lab: GatewayLab;
beforeEach(async () => {
  lab = await GatewayLab.start();
  lab.owner.join(ALICE, GENERAL);
  lab.owner.join(BOB, GENERAL);
});
afterEach(() => lab.stop());

function say(text: string): void {
  lab.owner.say(GENERAL, BOB, text);
  lab.emit();
}

describe('a session', () => {
  it('is cut when it reads too slowly, has no hole in what came, and gets the rest when it resumes', async () => {
    const slow = new WebSocket(lab.url(lab.ticket(ALICE, { resume: true })));
    const seqs: unknown[] = [];
    slow.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString()) as Record<string, unknown>;
      if (frame['type'] === 'hello') slow.send(JSON.stringify({ id: 1, type: 'resume', cursors: { [GENERAL]: 0 } }));
      if (frame['type'] === 'message') seqs.push(frame['seq']);
      expect(frame['type']).not.toBe('resync');
    });
    const closed = new Promise<number>((resolve) => slow.once('close', resolve));
    const bob = await lab.session(BOB);
    say('first');
    await until('its first message', () => seqs.length > 0);
    slow.pause();
    const text = 'x'.repeat(30_000);
    for (let n = 0; n < 400; n += 1) {
      say(`${n} ${text}`);
      // One turn each, as traffic comes.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await bob.frame((frame) => String(frame['text']).startsWith('399 '));
    await until('the slow session to end', () => lab.gateway.sessions() === 1);
    slow.resume();
    expect(await closed).toBe(1006);
    // Without the cut uWebSockets.js drops what does not fit and goes on: then there is a hole.
    const whole = Array.from({ length: lab.owner.tail(GENERAL) }, (_, at) => at + 1);
    const firstSeq = Number(seqs[0]);
    expect(seqs).toEqual(whole.slice(firstSeq - 1, firstSeq - 1 + seqs.length));
    expect(seqs.at(-1)).toBeLessThan(whole.length);
    // As many as the 512 KB of a real owner's page hold.
    lab.owner.eventsPerPage = 16;
    const again = await lab.session(ALICE, { resume: true });
    again.send({ type: 'resume', cursors: { [GENERAL]: seqs.at(-1) } });
    await again.frame((frame) => String(frame['text']).startsWith('399 '));
    const rest = again.frames.filter(({ type }) => type === 'message').map((frame) => frame['seq']);
    expect([...seqs, ...rest]).toEqual(whole.slice(firstSeq - 1));
    expect(again.frames.filter(({ type }) => type === 'resync')).toEqual([]);
  }, 60_000);
});
