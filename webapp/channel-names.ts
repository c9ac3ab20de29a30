/** Channel names: lower-case letters and digits of any script, hyphens and underscores; at most 80 characters. */
import { limits } from '../platform/limits.ts';
import type { SlackError } from '../protocol/errors.ts';

const ALLOWED = /^[\p{Ll}\p{Lo}\p{Lm}\p{M}\p{N}_-]+$/u;
const SOMETHING_TO_READ = /[\p{L}\p{N}]/u;

/** Undefined for a good name, else Slack's error for it. */
export function channelNameError(name: string): SlackError | undefined {
  if (name === '') return 'invalid_name_required';
  if (name.length > limits.channelNameCharsMax) return 'invalid_name_maxlength';
  if (!SOMETHING_TO_READ.test(name)) return 'invalid_name_punctuation';
  return ALLOWED.test(name) ? undefined : 'invalid_name_specials';
}
