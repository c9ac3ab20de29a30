/**
 * rtm.connect: which gateway a session goes to, and the ticket that lets it in.
 *
 * G1  The caller's own region first, then any; the least loaded. Loads arrive by heartbeat and are old by then, so what
 *     was sent to a gateway since its last report counts as load.
 * G2  A ticket ends by its gateway's own monotonic clock, so it is right whatever any machine takes the time to be.
 */
import { z } from 'zod';
import { limits } from '../platform/limits.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { makeTicket } from '../protocol/tickets.ts';
import { flag } from './arguments.ts';
import { nameOf } from './auth-methods.ts';
import {
  memberMethod,
  ok,
  unavailable,
  type Answer,
  type GatewayNode,
  type MemberCall,
  type Methods,
  type WebappContext,
} from './method.ts';

const NONCE_BYTES = 16;

const args = z.object({ resume: flag, batch_presence_aware: flag });
type Connect = MemberCall<z.output<typeof args>>;

export function rtmMethods(): Methods {
  const chooser = new GatewayChooser();
  const connect = memberMethod(1, args, (context, call) => connectTo(context, call, chooser));
  return { 'rtm.connect': connect, 'rtm.start': connect };
}

async function connectTo(context: WebappContext, call: Connect, chooser: GatewayChooser): Promise<Answer> {
  const { settings, rng } = context;
  const { user, author, tokenHash, unlimited } = call.caller;
  const name = await nameOf(context, user);
  const gateway = chooser.choose(context.nodes(), settings.region);
  if (name === undefined || gateway === undefined) return unavailable;
  const ticket = makeTicket(settings.ticketSecret, {
    ...{ gateway: gateway.incarnation, user, team: settings.team.id, name, tokenHash, unlimited },
    ...(author.bot === undefined ? {} : { bot: author.bot }),
    resume: call.args.resume,
    batchPresenceAware: call.args.batch_presence_aware,
    expiresAtMs: Math.floor(gateway.monotonicMs) + limits.ticketLifeMs,
    nonce: Buffer.from(rng.bytes(NONCE_BYTES)).toString('base64url'),
  });
  const { id, name: teamName, domain } = settings.team;
  return ok({
    url: `${webSocketUrl(gateway.publicUrl)}/websocket/${ticket}`,
    self: { id: user, name },
    team: { id, name: teamName, domain },
  });
}

function webSocketUrl(publicUrl: string): string {
  return publicUrl.replace(/^http/, 'ws').replace(/\/+$/, '');
}

/** Keeps count of what it sent where since each gateway's last report (G1). */
export class GatewayChooser {
  #sent = new Map<Incarnation, { load: number; since: number }>();

  choose(gateways: readonly GatewayNode[], region: string): GatewayNode | undefined {
    const near = gateways.filter((gateway) => gateway.region === region);
    const candidates = near.length > 0 ? near : gateways;
    this.#forgetOthers(gateways);
    let best: GatewayNode | undefined;
    for (const candidate of candidates) {
      if (best === undefined || this.#load(candidate) < this.#load(best)) best = candidate;
    }
    if (best !== undefined) this.#count(best);
    return best;
  }

  #load({ incarnation, load }: GatewayNode): number {
    const sent = this.#sent.get(incarnation);
    return sent?.load === load ? load + sent.since : load;
  }

  #count({ incarnation, load }: GatewayNode): void {
    const sent = this.#sent.get(incarnation);
    const since = sent?.load === load ? sent.since + 1 : 1;
    this.#sent.set(incarnation, { load, since });
  }

  #forgetOthers(gateways: readonly GatewayNode[]): void {
    if (this.#sent.size <= gateways.length) return;
    const alive = new Set(gateways.map((gateway) => gateway.incarnation));
    for (const incarnation of this.#sent.keys()) if (!alive.has(incarnation)) this.#sent.delete(incarnation);
  }
}
