/** What chat.postMessage answered. */
import type { HttpAnswer } from './http-client.ts';

/** The seq of an acknowledged post; undefined for any other answer. */
export function acknowledgedSeq({ status, body }: HttpAnswer): number | undefined {
  if (status !== 200) return undefined;
  const answer = JSON.parse(body) as { ok?: unknown; message?: { seq?: unknown } };
  const seq = answer.message?.seq;
  return answer.ok === true && typeof seq === 'number' ? seq : undefined;
}

/** What was wrong, in a few words. */
export function failureOf(answer: HttpAnswer | Error): string {
  return answer instanceof Error ? answer.message : `HTTP ${answer.status} ${answer.body.slice(0, 120)}`;
}
