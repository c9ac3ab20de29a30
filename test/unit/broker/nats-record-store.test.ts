import { beforeEach, expect, test } from 'vitest';
import { NatsRecordStore } from '../../../broker/nats-record-store.ts';
import type { ReplyMux } from '../../../broker/reply-mux.ts';

const full = 3;
const data = new Uint8Array(8);

let sent: [string, string][];
let store: NatsRecordStore;

beforeEach(() => {
  sent = [];
  const appends = [fakeMux('first'), fakeMux('second')] as const;
  store = new NatsRecordStore({ appends, reads: fakeMux('reads'), replicas: 1, payloadBytesMax: 1_024 });
});

/** A connection whose write leaves with every third message. */
function fakeMux(name: string): ReplyMux {
  let outgoing = 0;
  const mux: unknown = {
    send(subject: string) {
      sent.push([name, subject]);
      outgoing = (outgoing + 1) % full;
    },
    get outgoingBytes() {
      return outgoing;
    },
  };
  return mux as ReplyMux;
}

test('appends gather on one connection until its write leaves, and then on the other', () => {
  for (let i = 0; i < 3 * full; i += 1) void store.append(`log.${i}`, data, 0, 1_000);
  const names = sent.map(([name]) => name);
  const three = (name: string) => Array.from({ length: full }, () => name);
  expect(names).toEqual([...three('first'), ...three('second'), ...three('first')]);
  expect(sent.map(([, subject]) => subject)).toEqual(Array.from({ length: 3 * full }, (_, i) => `log.${i}`));
});
