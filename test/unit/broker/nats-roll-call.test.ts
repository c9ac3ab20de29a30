import { describe, expect, it } from 'vitest';
import { type ConnectionPage, RollCall } from '../../../broker/nats-roll-call.ts';

const OURS = 'belfry.w-1.';
const status = (name: string, clusterSize: number | undefined = 3, id = name) => ({
  id,
  name,
  version: '2.10.27',
  clusterSize,
});
const cids = (first: number, count: number) => Array.from({ length: count }, (_, at) => ({ cid: first + at }));

function page(server: string, connections: ConnectionPage['connections'], offset = 0, total = offset): ConnectionPage {
  return { server, offset, total: Math.max(total, offset + connections.length), connections };
}

function answered(names: readonly string[], clusterSize?: number): RollCall {
  const call = new RollCall(OURS, false);
  for (const name of names) {
    call.noteServer(status(name, clusterSize));
    call.notePage(page(name, [{ cid: 5, name: `${OURS}control` }]));
  }
  return call;
}

describe('a list of connections', () => {
  it('is complete when as many servers answered as the cluster has', () => {
    expect(answered(['n0', 'n1', 'n2'])).toMatchObject({ isComplete: true });
    expect(answered(['n0', 'n1', 'n2']).connections).toEqual(
      ['n0', 'n1', 'n2'].map((server) => ({ server, client: 5 })),
    );
  });

  it('is not while one is silent, whichever it is', () => {
    expect(answered(['n0', 'n1'])).toMatchObject({ isComplete: false });
    expect(answered(['n2'])).toMatchObject({ isComplete: false });
    expect(answered([])).toMatchObject({ isComplete: false });
  });

  it('is not while a server of the cluster cannot say how large it is', () => {
    expect(answered(['n0', 'n1'], undefined).isComplete).toBe(false);
    const starting = new RollCall(OURS, false);
    starting.noteServer({ id: 'n0', name: 'n0', version: '2.10.27', clusterSize: undefined });
    starting.notePage(page('n0', []));
    expect(starting.isComplete).toBe(false);
  });

  it('is not while one has said how it is and not yet who is connected', () => {
    const call = answered(['n0', 'n1']);
    call.noteServer(status('n2'));
    expect(call.isComplete).toBe(false);
    call.notePage(page('n2', []));
    expect(call.isComplete).toBe(true);
  });

  it('counts a server that was started again once', () => {
    const call = answered(['n0', 'n1']);
    call.noteServer(status('n1', 3, 'n1-again'));
    call.notePage(page('n1-again', []));
    expect(call.isComplete).toBe(false);
  });

  it('needs one answer of a server that stands alone', () => {
    const call = new RollCall(OURS, true);
    call.notePage(page('n0', []));
    expect(call.isComplete).toBe(false);
    call.noteServer({ id: 'n0', name: 'n0', version: '2.10.27', clusterSize: undefined });
    expect(call.isComplete).toBe(true);
  });
});

describe('a list of more connections than one page holds', () => {
  const alone = (): RollCall => {
    const call = new RollCall(OURS, true);
    call.noteServer({ id: 'n0', name: 'n0', version: '2.10.27', clusterSize: undefined });
    return call;
  };

  it('is not complete without its last page, and has what stands there', () => {
    const call = alone();
    expect(call.notePage(page('n0', cids(1, 1024), 0, 1100))).toBe(960);
    expect(call.isComplete).toBe(false);
    expect(call.connections).toEqual([]);
    const rest = [...cids(961, 139), { cid: 1100, name: `${OURS}append` }];
    expect(call.notePage(page('n0', rest, 960))).toBeUndefined();
    expect(call.isComplete).toBe(true);
    expect(call.connections).toEqual([{ server: 'n0', client: 1100 }]);
  });

  it('is complete although some closed in between, as long as the pages meet', () => {
    const call = alone();
    call.notePage(page('n0', cids(1, 1024), 0, 1100));
    call.notePage(page('n0', cids(1025, 76), 960));
    expect(call.isComplete).toBe(false);
    const meeting = alone();
    meeting.notePage(page('n0', cids(1, 1024), 0, 1100));
    meeting.notePage(page('n0', cids(1024, 77), 960));
    expect(meeting.isComplete).toBe(true);
  });

  it('is not complete when the next page comes back empty', () => {
    const call = alone();
    call.notePage(page('n0', cids(1, 1024), 0, 1100));
    expect(call.notePage({ server: 'n0', offset: 960, total: 900, connections: [] })).toBeUndefined();
    expect(call.isComplete).toBe(false);
  });

  it('names no connection twice that stands on two pages', () => {
    const call = alone();
    const named = cids(1, 1100).map(({ cid }) => ({ cid, name: `${OURS}lane` }));
    let next = call.notePage(page('n0', named.slice(0, 1024), 0, 1100));
    next = call.notePage(page('n0', named.slice(next), next));
    expect([next, call.connections.length, call.isComplete]).toEqual([undefined, 1100, true]);
  });
});
