/** A logger for the SDKs under test that says nothing. */
import type { Logger } from '@slack/web-api';

export function quietLogger(): Logger {
  const nothing = (): void => undefined;
  return {
    debug: nothing,
    info: nothing,
    warn: nothing,
    error: nothing,
    setLevel: nothing,
    getLevel: () => 'error' as ReturnType<Logger['getLevel']>,
    setName: nothing,
  };
}
