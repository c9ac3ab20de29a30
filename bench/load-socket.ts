/**
 * The sockets of the load: plain or TLS as the URL says, from several loopback addresses where one is not enough.
 *
 * A pair of addresses has about 28,000 ports for connections to one server port. On loopback a client may come from any
 * address of 127.0.0.0/8, so each further one adds as many. The addresses take turns.
 */
import { connect, type OnReadOpts, type Socket, type TcpNetConnectOpts } from 'node:net';
import { connect as connectTls } from 'node:tls';

const plainPort = 80;
const tlsPort = 443;

let sources = 1;
let next = 0;

/** From now on this process connects to loopback from 127.0.0.1 … 127.0.0.`count`. 1: as the system likes. */
export function useSourceAddresses(count: number): void {
  sources = count;
}

/** Connects to where an http, https, ws or wss URL points. */
export function connectTo(url: URL): Socket {
  return isTls(url) ? secure(url) : connect(plain(url));
}

/** The same with a buffer that is used for every read; with TLS the bytes come as they do. */
export function connectReading(url: URL, onread: OnReadOpts): Socket {
  if (!isTls(url)) return connect({ ...plain(url), onread });
  return secure(url).on('data', (bytes) => void onread.callback(bytes.length, bytes));
}

function plain({ hostname: host, port }: URL): TcpNetConnectOpts {
  return { host, port: Number(port) || plainPort, noDelay: true, ...sourceFor(host) };
}

function secure({ hostname: host, port }: URL): Socket {
  return connectTls({ host, port: Number(port) || tlsPort, servername: host }).setNoDelay(true);
}

function isTls({ protocol }: URL): boolean {
  return protocol === 'https:' || protocol === 'wss:';
}

function sourceFor(host: string): { localAddress?: string } {
  if (sources === 1 || !host.startsWith('127.')) return {};
  next = (next % sources) + 1;
  return { localAddress: `127.0.0.${next}` };
}
