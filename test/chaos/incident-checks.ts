/**
 * What clients may be told while processes fail, and by which faults: a refused try, a socket's end, a connection that did
 * not come about. Pure: incidents and faults in, what no fault explains out, one line each.
 *
 * I1  Whatever is not listed is a breach whenever it is told: a code that says "do not come back", a rejected post, a
 *     stream's place that was lost.
 * I2  What is listed is one, too, when no fault that explains it was under way or shortly over.
 * I3  `resync` is judged by what it left out (history-checks.ts, K4).
 */
import type { Fault, Incident } from './recorder.ts';

interface Explained {
  readonly told: RegExp;
  readonly by: RegExp;
}

const anyFault = /./;
/** Whatever ends or stops a process of the role, however it is done. */
const endOf = (role: string) => new RegExp(`^(kill|freeze|drain|restart)\\b.*\\b${role}-`);
const unreachable = 'ECONN(REFUSED|RESET)|UND_ERR_SOCKET|EPIPE';

const explained: readonly Explained[] = [
  // Nobody owns the slot, or the log does not answer: said once no try succeeded within the command's budget.
  { told: /^http 503 service_unavailable$/, by: anyFault },
  { told: /^rtm refused {"code":\d+,"msg":"service_unavailable"}$/, by: anyFault },
  { told: /^http TimeoutError$/, by: /^(freeze|kill|slow|cut)/ },
  { told: new RegExp(`^http (${unreachable})$`), by: endOf('webapp') },
  { told: new RegExp(`^rtm connect: (${unreachable})$`), by: endOf('webapp') },
  // No gateway is known to serve, or the bucket of tokens does not answer.
  { told: /^rtm connect: rtm.connect: 503 service_unavailable$/, by: anyFault },
  { told: /^rtm (ECONN(REFUSED|RESET)|socket hang up|closed 1006|silence)$/, by: endOf('gateway') },
  { told: /^rtm Opening handshake has timed out$/, by: endOf('gateway') },
  // Draining.
  { told: /^rtm Unexpected server response: 503$/, by: endOf('gateway') },
  // One that was frozen for long finds itself declared dead, and sends its sessions elsewhere.
  { told: /^rtm closed 4000$/, by: /^(drain|restart|freeze)\b.*\bgateway-/ },
  // The ticket was for the gateway's former life.
  { told: /^rtm closed 4101$/, by: endOf('gateway') },
  { told: /^rtm resync$/, by: anyFault },
];

/** A process is back within this of its end, and a client waits no longer for an answer. */
const reachMs = 12_000;

export function checkIncidents(incidents: readonly Incident[], faults: readonly Fault[]): string[] {
  return incidents.flatMap(({ who, what, atMs }) => {
    const reasons = explained.filter(({ told }) => told.test(what));
    const near = faults.filter((fault) => fault.atMs <= atMs && atMs <= (fault.untilMs ?? Infinity) + reachMs);
    if (reasons.some(({ by }) => near.some((fault) => by.test(fault.what)))) return [];
    const why = reasons.length === 0 ? 'which nobody may be' : 'which no fault explains';
    return [`${who} was told "${what}" at ${Math.round(atMs)} ms, ${why}`];
  });
}
