/** The client protocol's bytes of what a turn publishes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PublishWriter } from '../../../broker/publish-writer.ts';

const subject = fc.stringMatching(/^[a-z]{1,8}(\.[A-Z0-9]{1,12}){0,3}$/);
const publication = fc.record({
  subject,
  data: fc.uint8Array({ maxLength: 300 }),
  reply: fc.option(subject, { nil: undefined }),
  headers: fc.option(fc.constant('NATS/1.0\r\nExpected:12\r\n\r\n'), { nil: undefined }),
  /** Whether the turn ends after it. */
  taken: fc.boolean(),
});
type Publication = typeof publication extends fc.Arbitrary<infer T> ? Readonly<T> : never;

/** One message in the words of the protocol's description. */
function inWords({ subject: to, data, reply, headers }: Publication): Buffer {
  const target = [to, ...(reply === undefined ? [] : [reply])].join(' ');
  const [verb, lengths] =
    headers === undefined ? ['PUB', `${data.length}`] : ['HPUB', `${headers.length} ${headers.length + data.length}`];
  return Buffer.concat([
    Buffer.from(`${verb} ${target} ${lengths}\r\n${headers ?? ''}`),
    Buffer.from(data),
    Buffer.from('\r\n'),
  ]);
}

describe('what a turn publishes', () => {
  it('is the messages one after the other, as they were when they were published', () => {
    fc.assert(
      fc.property(fc.array(publication, { maxLength: 40 }), (publications) => {
        const writer = new PublishWriter(512);
        const words = Buffer.concat(publications.map(inWords));
        const taken: Uint8Array[] = [];
        for (const each of publications) {
          writer.publish(each.subject, each.data, each.reply, each.headers);
          each.data.fill(0xee);
          if (each.taken) taken.push(writer.take());
        }
        expect(writer.bytes).toBe(words.length - taken.reduce((sum, { length }) => sum + length, 0));
        taken.push(writer.take());
        expect(Buffer.concat(taken).equals(words)).toBe(true);
        expect(writer.bytes).toBe(0);
      }),
    );
  });
});
