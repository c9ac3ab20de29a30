/** Which nats-server listens on a port: the first line that it says to anybody who connects. */
import { connect } from 'node:net';

const lineBytesMax = 65_536;

export function readNatsVersion(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let line = '';
    socket.setEncoding('latin1');
    socket.on('error', reject);
    socket.on('data', (text: string) => {
      line += text;
      if (!line.includes('\r\n') && line.length < lineBytesMax) return;
      socket.destroy();
      resolve(/^INFO .*"version":"([^"]+)"/.exec(line)?.[1] ?? 'unknown');
    });
  });
}
