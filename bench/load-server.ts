/** The child's end of load-process.ts: answers the parent's calls and ends with it. */
import { systemClock } from '../platform/clock.ts';
import type { LoadAnswer, LoadContract, LoadRequest } from './load-port.ts';
import { ownCalls, type LoadSetUp } from './load-process.ts';
import { useSourceAddresses } from './load-socket.ts';
import { useClockOffset } from './machine-clock.ts';
import { SelfMeter } from './self-meter.ts';

export type LoadHandlers<Contract extends LoadContract> = {
  readonly [Method in keyof Contract]: (
    params: Contract[Method]['params'],
  ) => Promise<Contract[Method]['result']> | Contract[Method]['result'];
};

/** Serves until the parent is gone. Call it once, last in the file. */
export function serveLoad<Contract extends LoadContract>(handlers: LoadHandlers<Contract>): void {
  const byName = { ...(handlers as unknown as LoadHandlers<LoadContract>), ...ownHandlers() };
  // Ctrl-C reaches the whole group of the terminal; the parent decides when load ends.
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message) => void answer(byName, message as LoadRequest));
}

function ownHandlers(): LoadHandlers<LoadContract> {
  const meter = new SelfMeter(systemClock);
  return {
    [ownCalls.setUp]: (params) => {
      const { sourceAddresses, clockOffsetUs } = params as LoadSetUp;
      useSourceAddresses(sourceAddresses);
      useClockOffset(clockOffsetUs);
      return null;
    },
    [ownCalls.beginWatch]: () => {
      meter.begin();
      return null;
    },
    [ownCalls.endWatch]: () => meter.end(),
  };
}

async function answer(handlers: LoadHandlers<LoadContract>, { id, method, params }: LoadRequest): Promise<void> {
  try {
    const handler = handlers[method];
    if (handler === undefined) throw new Error(`unknown call ${method}`);
    send({ id, ok: true, result: await handler(params) });
  } catch (error) {
    send({ id, ok: false, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

function send(message: LoadAnswer): void {
  process.send?.(message);
}
