/**
 * WebSocket close codes. The hundreds tell a client what to do:
 * 4000-4099 reconnect and resume, 4100-4199 fetch a new URL first, 4200-4299 do not reconnect.
 * docs/PROTOCOL.md has the same table for users; change both.
 */
export const CLOSE = {
  /** The gateway is draining; a goodbye frame came before with a delay in milliseconds. */
  goingAway: { code: 4000, reason: 'gateway is going away' },
  /** The client read too slowly; also seen as 1006 when the socket had to be cut. */
  slowConsumer: { code: 4001, reason: 'client reads too slowly' },
  /** The gateway lost its place in a stream and could not close the gap in time. */
  streamLost: { code: 4002, reason: 'stream position lost' },
  /** The gateway has been cut off from the cluster. */
  isolated: { code: 4003, reason: 'gateway is cut off' },
  /** No `resume` frame within 10 s of hello, or a second one after the last. */
  resumeExpected: { code: 4100, reason: 'resume frame expected' },
  /** The ticket was used, is expired, malformed, or of another gateway's life. */
  ticketInvalid: { code: 4101, reason: 'socket URL has expired' },
  /** The session could not be set up in time. */
  setupFailed: { code: 4102, reason: 'session could not be set up' },
  /** The token was revoked or its user deactivated. */
  revoked: { code: 4200, reason: 'token revoked' },
  /** A frame over the size limit. */
  frameTooLarge: { code: 4201, reason: 'frame too large' },
  /** Frames kept coming far above the rate limit. */
  flooding: { code: 4202, reason: 'too many frames' },
} as const;

export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE];
