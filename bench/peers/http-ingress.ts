/**
 * How messages get into the peers that have a web back end: an HTTP request a message, as Belfry's webapp takes them,
 * but nothing is authenticated, checked or stored. It numbers the messages, publishes, and answers.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { listen } from './listen.ts';
import { MessageFrame, type PeerMessage } from './message-frame.ts';

/** Serves on a free port; resolves with it. `publish` resolves once the message is on its way. */
export function serveIngress(frame: string, publish: (message: PeerMessage) => Promise<unknown>): Promise<number> {
  const frames = new MessageFrame(frame);
  let seq = 0;
  const server = createServer((request, response) => {
    void readBody(request).then(async (body) => {
      const message = frames.make(++seq, new URLSearchParams(body).get('text') ?? '');
      await publish(message);
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ ok: true, message }));
    });
  });
  return listen(server);
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  request.setEncoding('utf8');
  for await (const part of request) body += String(part);
  return body;
}
