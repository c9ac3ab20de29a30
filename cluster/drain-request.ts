/** Asking a node, by the name its operator gave it, to hand everything off and end: `belfry drain`. */
import { BUCKET_CLUSTER } from '../broker/subjects.ts';
import type { Broker } from '../broker/broker.ts';
import type { Logger } from '../platform/logger.ts';
import { decodeNodeEntry, type NodeEntry } from '../protocol/cluster.ts';
import type { NodeId } from '../protocol/ids.ts';
import { ControlChannel } from './control-channel.ts';
import { NODE_KEYS } from './own-node.ts';

export type DrainOutcome =
  /** It heard; draining takes its time. */
  | { readonly kind: 'accepted'; readonly node: NodeEntry }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'no-answer' }
  | { readonly kind: 'unavailable'; readonly cause: unknown };

/** Of several lives under one name the newest is meant. Never rejects. */
export async function requestDrain(broker: Broker, id: NodeId, logger: Logger): Promise<DrainOutcome> {
  try {
    const entries = await broker.kv(BUCKET_CLUSTER).entries(NODE_KEYS);
    const lives = entries.map(({ value }) => decodeNodeEntry(value)).filter((entry) => entry.id === id);
    const node = lives.sort((a, b) => b.startedAt - a.startedAt)[0];
    if (node === undefined) return { kind: 'not-found' };
    const channel = new ControlChannel(broker.control, node, logger);
    const answer = await channel.askToDrain(node.incarnation);
    return answer.kind === 'answer' ? { kind: 'accepted', node } : { kind: 'no-answer' };
  } catch (cause) {
    return { kind: 'unavailable', cause };
  }
}
