/** The two processes of a peer that fans out through redis: one takes messages in over HTTP, one holds the sockets. */
export type RedisPeer = {
  /** `frame`: a message frame of ours, to copy. */
  readonly serveHttp: {
    readonly params: { readonly redisPort: number; readonly room: string; readonly frame: string };
    readonly result: { readonly port: number };
  };
  readonly serveSockets: {
    readonly params: { readonly redisPort: number; readonly room: string };
    readonly result: { readonly port: number };
  };
};

export const redisUrl = (port: number): string => `redis://127.0.0.1:${port}`;
