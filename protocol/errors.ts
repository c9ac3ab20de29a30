/**
 * Errors that cross a boundary, as values. `SlackError` codes reach users as they stand; a `Failure` says besides
 * whether a retry may help and whether the effect may already have happened.
 */

/** Error codes of the API dialect that Belfry itself answers with. Source: the API reference's method pages. */
export type SlackError =
  | 'already_archived'
  | 'already_in_channel'
  | 'attachment_payload_limit_exceeded'
  | 'bad_timestamp'
  | 'bot_not_found'
  | 'cannot_reply_to_message'
  | 'cant_archive_general'
  | 'cant_invite'
  | 'cant_invite_self'
  | 'cant_kick_from_general'
  | 'cant_kick_self'
  | 'cant_leave_general'
  | 'channel_not_found'
  | 'email_taken'
  | 'fatal_error'
  | 'internal_error'
  | 'invalid_arguments'
  | 'invalid_array_arg'
  | 'invalid_auth'
  | 'invalid_blocks'
  | 'invalid_blocks_format'
  | 'invalid_attachments'
  | 'invalid_metadata_format'
  | 'invalid_charset'
  | 'invalid_cursor'
  | 'invalid_form_data'
  | 'invalid_json'
  | 'invalid_limit'
  | 'invalid_name'
  | 'invalid_name_maxlength'
  | 'invalid_name_punctuation'
  | 'invalid_name_required'
  | 'invalid_name_specials'
  | 'invalid_post_type'
  | 'invalid_presence'
  | 'invalid_ts_latest'
  | 'invalid_ts_oldest'
  | 'invalid_types'
  | 'invalid_user_combination'
  | 'is_archived'
  | 'json_not_object'
  | 'last_member'
  | 'limit_required'
  | 'markdown_text_conflict'
  | 'message_not_found'
  | 'metadata_too_large'
  | 'method_not_supported_for_channel_type'
  | 'missing_argument'
  | 'missing_post_type'
  | 'missing_scope'
  | 'msg_blocks_too_long'
  | 'msg_too_long'
  | 'name_taken'
  | 'no_channel'
  | 'no_text'
  | 'no_user'
  | 'node_not_found'
  | 'not_allowed_token_type'
  | 'not_archived'
  | 'not_authed'
  | 'not_enough_users'
  | 'not_in_channel'
  | 'ratelimited'
  | 'restricted_action'
  | 'service_unavailable'
  | 'team_not_found'
  | 'token_revoked'
  | 'too_many_attachments'
  /** Ours: the reference has no code for it. */
  | 'too_many_channels'
  | 'too_many_members'
  | 'too_many_users'
  | 'unknown_method'
  | 'user_not_found'
  | 'user_not_visible'
  | 'users_list_not_supplied'
  | 'users_not_found';

/**
 * What went wrong with a command:
 * - `rejected`: the actor looked at it and said no; a retry gives the same answer. Nothing changed.
 * - `retryable`: it was not carried out (overload, moving slot, not the owner); nothing changed.
 * - `unknown`: it may or may not have been carried out; only a retry with the same mutation id is safe.
 */
export type Failure =
  | { readonly kind: 'rejected'; readonly error: SlackError }
  | { readonly kind: 'retryable'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string };

export const rejected = (error: SlackError): Failure => ({ kind: 'rejected', error });
export const retryable = (reason: string): Failure => ({ kind: 'retryable', reason });
export const unknownFate = (reason: string): Failure => ({ kind: 'unknown', reason });

/** Why bytes or text could not be decoded. `boundary` names the decoder; `detail` never holds the content. */
export class DecodeError extends Error {
  readonly boundary: string;
  constructor(boundary: string, detail: string, options?: ErrorOptions) {
    super(`${boundary}: ${detail}`, options);
    this.name = 'DecodeError';
    this.boundary = boundary;
  }
}
