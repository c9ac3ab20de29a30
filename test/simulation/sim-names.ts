/** The team, users and channels of every simulated history: ids whose slots are among the few that are simulated. */
import { slotOf } from '../../cluster/slots.ts';
import type { ChannelMeta } from '../../protocol/events.ts';
import type { ChannelId, StreamId, TeamId, UserId } from '../../protocol/ids.ts';

/** Slots of a simulated cluster. */
export const SIM_SLOTS = 8;

export const TEAM = idIn('T', 0) as TeamId;
export const USERS = [1, 3, 5, 7].map((slot) => idIn('U', slot) as UserId);
export const CHANNELS = [2, 4, 6, 4].map((slot, at) => idIn(`C${at}`, slot) as ChannelId);

export function metaOf(channel: ChannelId): ChannelMeta {
  const creator = USERS[0] as UserId;
  return {
    id: channel,
    team: TEAM,
    kind: 'public',
    name: channel.toLowerCase(),
    creator,
    created: 1,
    isGeneral: false,
  };
}

function idIn(prefix: string, slot: number): StreamId {
  for (let n = 0; ; n += 1) {
    const id = `${prefix}${n.toString(36).toUpperCase().padStart(5, '0')}` as StreamId;
    if (slotOf(id) === slot) return id;
  }
}
