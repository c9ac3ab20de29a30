/**
 * Calls of the API that set a scenario up: a few connections, any number of calls, the first failure ends it. A call that
 * was too many for the moment (HTTP 429: an admin's token has limits too) is repeated.
 */
import { systemClock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import { apiRequest, HttpConnection } from './http-client.ts';

export type ApiBody = Readonly<Record<string, unknown>>;
export type ApiCall = {
  readonly method: string;
  readonly token: string;
  readonly fields: Readonly<Record<string, string>>;
};

const connectionsMax = 16;
const bodyCharsShown = 120;
const tooMany = 429;
const againMs = 1_000;

/** @throws Error that names the method and what the server said. */
export async function callApi(api: string, call: ApiCall): Promise<ApiBody> {
  const [body] = await callAll(api, [call]);
  return body ?? {};
}

/** Carries out all calls, some at a time, until `signal` aborts; answers in the order of the calls. */
export async function callAll(
  api: string,
  calls: readonly ApiCall[],
  onEach: (done: number) => void = () => undefined,
  signal?: AbortSignal,
): Promise<ApiBody[]> {
  const answers: ApiBody[] = [];
  let next = 0;
  let done = 0;
  const work = async () => {
    const connection = new HttpConnection(api);
    try {
      for (let index = next++; index < calls.length; index = next++) {
        const call = calls[index];
        if (call === undefined) return;
        if (signal?.aborted === true) throw new Error('interrupted');
        answers[index] = await callOn(connection, api, call);
        onEach(++done);
      }
    } finally {
      connection.close();
    }
  };
  await Promise.all(Array.from({ length: Math.min(connectionsMax, calls.length) }, work));
  return answers;
}

async function callOn(connection: HttpConnection, api: string, { method, token, fields }: ApiCall): Promise<ApiBody> {
  const endMs = systemClock.monotonicMs() + limits.benchSettleMs;
  let { status, body } = await connection.request(apiRequest(api, method, token, fields));
  while (status === tooMany && systemClock.monotonicMs() < endMs) {
    await systemClock.sleep(againMs);
    ({ status, body } = await connection.request(apiRequest(api, method, token, fields)));
  }
  const answer = parseBody(body);
  if (status === 200 && answer['ok'] === true) return answer;
  throw new Error(`${method} failed: HTTP ${status} ${body.slice(0, bodyCharsShown)}`);
}

function parseBody(body: string): ApiBody {
  try {
    return JSON.parse(body) as ApiBody;
  } catch {
    return {};
  }
}
