/**
 * WebSocket close codes. The hundreds tell a client what to do:
 * 4000-4099 reconnect and resume, 4100-4199 fetch a new URL first, 4200-4299 do not reconnect.
 * docs/PROTOCOL.md has the same table for users; change both.
 *
 * There is none for a client that reads too slowly: it would not read the close frame either, and is cut (1006).
 */
export const CLOSE = {
  /** The gateway is draining; a goodbye frame came before with a delay in milliseconds. */
  goingAway: { code: 4000, reason: 'gateway is going away' },
  /** The gateway lost its place in a stream and could not close the gap in time. */
  streamLost: { code: 4002, reason: 'stream position lost' },
  /** The gateway has been cut off from the cluster. */
  isolated: { code: 4003, reason: 'gateway is cut off' },
  /** No whole `resume` within `resumeWaitMs` of hello, or more than `resumeCursorsMax` cursors in it. */
  resumeExpected: { code: 4100, reason: 'resume frame expected' },
  /** The ticket was used, is expired, malformed, or of another gateway's life. */
  ticketInvalid: { code: 4101, reason: 'socket URL has expired' },
  /** The session could not be set up in time. */
  setupFailed: { code: 4102, reason: 'session could not be set up' },
  /** The token was revoked or its user deactivated. */
  revoked: { code: 4200, reason: 'token revoked' },
  /** A frame over the size limit: it would be refused again, so the client must not repeat it on a new socket. */
  frameTooLarge: { code: 4201, reason: 'frame too large' },
  /** Frames kept coming far above the rate limit. */
  flooding: { code: 4202, reason: 'too many frames' },
} as const;

export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE];
