/** `belfry post`: one message, posted as `nats pub` publishes one. A retry carries the same id, so it never posts twice. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../platform/clock.ts';
import { callPatiently, must, type ApiTarget } from './api-client.ts';

/** Prints the message's time stamp, which is its id. `channel`: a name, with or without #, or an id. */
export async function post(target: ApiTarget, channel: string, text: string, clock: Clock): Promise<string> {
  const args = { channel, text, client_msg_id: randomUUID() };
  const body = must(target, 'chat.postMessage', await callPatiently(target, 'chat.postMessage', args, clock));
  return `${String(body['channel'])} ${String(body['ts'])}\n`;
}
