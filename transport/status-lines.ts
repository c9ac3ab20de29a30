/** HTTP status lines, as uWebSockets.js wants them written. */
const REASONS: ReadonlyMap<number, string> = new Map([
  [200, '200 OK'],
  [204, '204 No Content'],
  [301, '301 Moved Permanently'],
  [302, '302 Found'],
  [304, '304 Not Modified'],
  [400, '400 Bad Request'],
  [401, '401 Unauthorized'],
  [403, '403 Forbidden'],
  [404, '404 Not Found'],
  [405, '405 Method Not Allowed'],
  [413, '413 Content Too Large'],
  [429, '429 Too Many Requests'],
  [500, '500 Internal Server Error'],
  [503, '503 Service Unavailable'],
]);

export function statusLine(status: number): string {
  return REASONS.get(status) ?? `${status} Status`;
}
