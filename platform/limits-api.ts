/** Limits of what clients, tokens and requests may cost: the edges. Part of limits.ts, which states the rules. */

const kib = 1_024;
const mib = 1_024 * kib;

export const apiLimits = {
  // --- What a client may send ----------------------------------------------------------------------------------
  /** Characters of a message's text. Beyond: `msg_too_long`; text is never cut. */
  textCharsMax: 40_000,
  /** Body of an HTTP request. Beyond: `invalid_arguments` with HTTP 200, the connection is closed. */
  httpBodyBytesMax: 1 * mib,
  /** Header block of an HTTP request. Beyond: HTTP 431 by uWebSockets.js, as for more than 98 headers. */
  httpHeaderBytesMax: 16 * kib,
  /** Arguments of one API call. Beyond: `invalid_arguments`. */
  httpArgumentsMax: 100,
  /** Time to receive a whole request body. Beyond: the connection is closed. */
  httpBodyTimeoutMs: 30_000,
  /** Bytes of an oversized body that are read and thrown away before the answer. Beyond: answered at once and closed. */
  httpBodyDiscardBytesMax: 64 * mib,
  /** A listener that stops serves kept connections for this long and closes each with its next answer. Beyond: those
   *  that stayed silent are closed. */
  httpSeeOffMs: 1_000,
  /** From the last answer of a listener that stops to the end of its connections. Beyond: they are cut. */
  httpLingerMs: 20,
  /** Requests in progress in one webapp. Beyond: HTTP 503, `service_unavailable`, Retry-After 1. */
  httpRequestsInProgressMax: 10_000,
  /** Time of one event-loop turn for beginning requests. Beyond: in the next turn, in the order in which they came. */
  httpSliceMs: 20,
  /** A frame on an RTM socket. Beyond: the socket is closed with 4201. */
  rtmFrameBytesMax: 16 * kib,
  /** A resume frame. Beyond: the socket is closed with 4201; send several frames instead. */
  resumeFrameBytesMax: 256 * kib,
  /** What a socket takes in as one frame, to answer that it is too large. Beyond: cut by uWebSockets.js (1006). */
  socketFrameBytesMax: 1 * mib,
  /** Cursors over all resume frames of one session. Beyond: closed with 4100. */
  resumeCursorsMax: 20_000,
  /** Cursors kept of channels that the user is not known to be in yet. Beyond: passed over. */
  resumeUnheardMax: 256,
  /** Wait for the resume frame after hello. Beyond: closed with 4100. */
  resumeWaitMs: 10_000,
  /** Frames a session may have waiting for their answers. Beyond: an error frame `ratelimited`. */
  sessionFramesInProgressMax: 64,
  /** Users of one presence_query, or of one presence_sub, which names all that a session follows. Beyond: an error frame
   *  `too_many_users`. */
  presenceQueryIdsMax: 500,
  /** Users of one conversations.invite. Beyond: `too_many_users`. */
  inviteUsersMax: 1_000,
  /** Users of one multi-person direct message, its opener included. Beyond: `too_many_users`. */
  mpimUsersMax: 9,
  /** Messages on one page of history. Beyond: so many, and a cursor for the rest. */
  historyPageMessagesMax: 999,
  /** Messages on one page of history when the caller names no limit. */
  historyPageMessagesDefault: 100,
  /** Entries on one page of any other list. Beyond: so many, and a cursor for the rest; some clients ask for 5,000. */
  listPageEntriesMax: 1_000,
  /** Characters of a channel's name. Beyond: `invalid_name_maxlength`. */
  channelNameCharsMax: 80,
  /** Characters of a user's, an app's or a team's name. Beyond: `invalid_arguments`. */
  nameCharsMax: 80,
  /** Characters of a client_msg_id. Beyond: `invalid_arguments`. */
  clientMessageIdCharsMax: 128,
  /** Members of one channel. Beyond: joins and invitations are rejected, `too_many_members`. */
  channelMembersMax: 250_000,
  /** Channels that one user may be in. Beyond: rejected, `too_many_channels`; changes under way at once may pass it by
   *  as many. */
  channelsPerUserMax: 10_000,
  /** Channels that a user's stream keeps in mind, those left included. Beyond: rejected, `too_many_channels`. */
  membershipsRememberedMax: 100_000,

  // --- Tokens and tickets --------------------------------------------------------------------------------------
  /** Life of an RTM ticket. Beyond: an error frame with code 1, and closed with 4101. */
  ticketLifeMs: 30_000,
  /** Used tickets a gateway remembers. Beyond: new tickets are refused (retryable) until old ones expire. */
  ticketsUsedMax: 200_000,
  /** Tokens a process remembers. Beyond: the least recently used one is read again from the KV. */
  tokenCacheEntriesMax: 50_000,
  /** Age of a remembered token. Beyond: read again; bounds the harm of a lost revocation message. */
  tokenCacheAgeMs: 30_000,

  // --- WebApp --------------------------------------------------------------------------------------------------
  /** Depth of nested JSON in a request. Beyond: the argument's own error (`invalid_blocks`, `invalid_json` …). */
  jsonDepthMax: 32,
  /** Blocks, attachments of one message. Beyond: `invalid_blocks`, `too_many_attachments`. */
  messageBlocksMax: 50,
  messageAttachmentsMax: 100,
  /** JSON bytes of a message's blocks. Beyond: `msg_blocks_too_long`. */
  messageBlocksBytesMax: 128 * kib,
  /** JSON bytes of a message's attachments. Beyond: `attachment_payload_limit_exceeded`. */
  messageAttachmentsBytesMax: 128 * kib,
  /** JSON bytes of a message's metadata. Beyond: `metadata_too_large`. */
  messageMetadataBytesMax: 16 * kib,
  /** Characters of markdown_text. Beyond: `msg_too_long`. */
  markdownCharsMax: 12_000,
  /** Token buckets of one webapp. Beyond: the least recently used one is forgotten, that is, full again. */
  rateBucketsMax: 100_000,
  /** Tokens remembered as unknown, and for how long. Beyond: read again from the KV. */
  unknownTokensMax: 10_000,
  unknownTokenAgeMs: 1_000,
  /** Users, bots, apps or channels in a webapp's index, each. Beyond: creating one more is `restricted_action`. */
  directoryEntriesMax: 1_000_000,
  /** Attempts of one compare-and-set on a directory record. Beyond: `service_unavailable`. */
  directoryWriteAttemptsMax: 8,
  /** Users of one conversations.open besides the caller. Beyond: `too_many_users`. */
  openUsersMax: 8,
  /** Users of a users.list without a limit, as old clients ask for it. Beyond: `limit_required`. */
  usersListedWithoutLimitMax: 5_000,
  /** Streams that one call asks at once for what it must know of each. Beyond: they are asked after those. */
  lookupsAtOnceMax: 64,
} as const;
