import { it } from 'vitest';
import { Story } from './gateway-delivery.test.ts';
it('debug', () => {
  const s = new Story(Number(process.env.SEED), {
    lostBatches: Number(process.env.LB ?? 0),
    lostCommands: Number(process.env.LC ?? 0),
    takeOvers: process.env.TO === '1',
  });
  const w = s.world;
  const log: string[] = [];
  const apply = w.apply.bind(w);
  (w as any).apply = (m: any) => {
    const short =
      m.kind === 'batch'
        ? 'batch ' +
          m.batch.number +
          ' ' +
          m.batch.entries
            .map(
              (e: any) =>
                e.kind +
                ':' +
                e.stream +
                ':' +
                e.seq +
                (e.effect
                  ? '/' +
                    e.effect.kind +
                    ':' +
                    e.effect.users +
                    ':' +
                    (e.effect.stream ?? '') +
                    ':' +
                    (e.effect.seq ?? '')
                  : ''),
            )
            .join(' ')
        : m.kind === 'slot-answered'
          ? 'ans ' + JSON.stringify(m.ask.command.entries ?? '') + JSON.stringify(m.outcome) + m.ask.command.kind
          : m.kind === 'tick'
            ? ''
            : m.kind === 'frame'
              ? 'frame ' + m.session + Buffer.from(m.bytes).toString()
              : JSON.stringify(m).slice(0, 300);
    if (short) log.push('> ' + short);
    apply(m);
  };
  const show = ((w as any).carryLog = 0);
  for (const c of s.clients) {
    const see = (c as any).look.bind(c);
  }
  (globalThis as any).GWLOG = log;
  const p = s.run();
  console.log(log.filter((l) => !process.env.GREP || new RegExp(process.env.GREP).test(l)).join('\n'));
  console.log(p.join('\n'));
});
