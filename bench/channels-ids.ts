/**
 * The channels of the `channels` scenario, numbered: every process tells a channel's id and owner from its number, so
 * that none has to keep millions of them or be told.
 */
import type { ChannelId, UserId } from '../protocol/ids.ts';

/** A prime: its multiples, modulo all ids of ten characters, are spread over them and do not repeat. */
const step = 217_645_199;
const ids = 36 ** 10;
const owners = 1_000;

/** The highest number that keeps the product exact. */
export const channelsMax = Math.floor(Number.MAX_SAFE_INTEGER / step) - 1;

export function channelOf(number: number): ChannelId {
  const digits = (((number + 1) * step) % ids).toString(36).toUpperCase();
  return `C${digits.padStart(10, '0')}` as ChannelId;
}

/** The channel's one member. */
export function ownerOf(number: number): UserId {
  return `U0BENCH${String(number % owners).padStart(4, '0')}` as UserId;
}
