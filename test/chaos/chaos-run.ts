/**
 * One run against a cluster: posters and listeners at work, faults as they come, then everything healed, every post
 * acknowledged, every listener at the end of every log, and the history checked.
 *
 * N1  The run ends: what does not heal, or is not delivered, within its time is a failure of its own.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Rng } from '../../platform/rng.ts';
import { api } from '../support/api.ts';
import { checkHistory, type LogEntry } from '../support/history-checks.ts';
import { until } from '../support/until.ts';
import type { ChaosCluster } from './chaos-cluster.ts';
import { drawFault, faultKinds, type FaultContext, type FaultKind } from './faults.ts';
import { HttpPoster } from './http-poster.ts';
import { checkIncidents } from './incident-checks.ts';
import { checkRecovery } from './recovery-checks.ts';
import { Recorder } from './recorder.ts';
import { RtmClient } from './rtm-client.ts';
import { RtmPoster } from './rtm-poster.ts';

export interface LoadShape {
  readonly channels: number;
  /** HTTP posters, spread over the channels. */
  readonly posters: number;
  /** Of each poster. */
  readonly periodMs: number;
}

export interface Torment {
  readonly rng: Rng;
  readonly forMs: number;
  readonly kinds?: readonly FaultKind[];
  readonly calm?: boolean;
}

/** From a fault to the first look at whether all is well: what died is not missed at once. */
const calmMs = 2_500;
const listenersPerUser = 2;
/** A session that has gone is shown as away no sooner. */
const presenceGraceMs = 8_000;
const caughtUpMs = 30_000;
const ackedMs = 60_000;

export class ChaosRun {
  readonly recorder = new Recorder();
  readonly #cluster: ChaosCluster;
  readonly #channels: string[] = [];
  readonly #clients: RtmClient[] = [];
  #posters: { stop(): Promise<void> }[] = [];

  constructor(cluster: ChaosCluster) {
    this.#cluster = cluster;
  }

  /** Makes the channels, opens the sockets and begins to post. */
  async begin({ channels, posters, periodMs }: LoadShape): Promise<void> {
    for (let at = 0; at < channels; at += 1) this.#channels.push(await this.#newChannel());
    const { users } = this.#cluster.dev.file;
    const apis = () => this.#cluster.apis;
    const shared = { channels: new Set(this.#channels), apis, recorder: this.recorder };
    for (const { id, name, token } of users) {
      for (let at = 0; at < listenersPerUser; at += 1) {
        const watches = users.map((user) => user.id).filter((user) => user !== id);
        this.#clients.push(new RtmClient({ ...shared, name: `${name}-${at}`, user: id, token, watches }));
      }
    }
    await until('all sockets to be live', () => this.#clients.every(({ live }) => live));
    const channelAt = (at: number) => this.#channels[at % this.#channels.length] ?? '';
    for (let at = 0; at < posters; at += 1) {
      const { name, token } = users[at % users.length] ?? { name: '', token: '' };
      const poster = { name: `${name}-http-${at}`, token, channel: channelAt(at), periodMs, apis };
      this.#posters.push(new HttpPoster({ ...poster, recorder: this.recorder }));
    }
    for (const [at, client] of this.#clients.entries()) {
      const options = { name: `rtm-${at}`, channel: channelAt(at), periodMs, recorder: this.recorder };
      this.#posters.push(new RtmPoster(client, options));
    }
  }

  /** Random faults for a time, now and then two at once; with `calm`, each only when all is well again. */
  async torment({ rng, forMs, kinds = faultKinds, calm = false }: Torment): Promise<void> {
    const context: FaultContext = { cluster: this.#cluster, recorder: this.recorder, rng };
    const endMs = this.recorder.now() + forMs;
    const underWay = new Set<Promise<unknown>>();
    while (this.recorder.now() < endMs) {
      const fault = drawFault(rng, kinds).run(context);
      underWay.add(fault);
      void fault.finally(() => underWay.delete(fault)).catch(() => undefined);
      if (calm) {
        await fault;
        await wait(calmMs);
        await this.#cluster.settled();
      } else {
        await Promise.race([fault, wait(rng.int(2_000))]);
        await wait(rng.int(1_500));
      }
    }
    await Promise.all(underWay);
  }

  get acknowledged(): number {
    return this.recorder.posts.filter(({ acked }) => acked !== undefined).length;
  }

  /** Everything that is wrong with the history; the cluster has to be healed by itself first. */
  async finish(): Promise<string[]> {
    const late: string[] = [];
    const inTime = (what: string, done: Promise<unknown>, ms: number) =>
      Promise.race([done.then(() => true), wait(ms, false, { ref: false })]).then((ok) => {
        if (!ok) late.push(`${what} within ${ms / 1_000} s`);
      });
    await inTime('the worker behind the proxy did not leave', this.#cluster.retireFar(), ackedMs);
    await this.#cluster.settled().catch((error: unknown) => late.push((error as Error).message));
    await inTime('not every post was acknowledged', Promise.all(this.#posters.map((poster) => poster.stop())), ackedMs);
    const logs = await this.#readLogs();
    const tail = (channel: string) => logs.get(channel)?.at(-1)?.seq ?? 0;
    const caughtUp = () =>
      this.#clients.every((client) => this.#channels.every((channel) => client.cursor(channel) >= tail(channel)));
    await inTime(
      'not every listener caught up',
      until('listeners', caughtUp, caughtUpMs).catch(() => wait(1e9)),
      caughtUpMs,
    );
    await Promise.all(this.#clients.map((client) => client.stop()));
    const listeners = this.#clients.map((client) => client.record());
    const { posts, presence, incidents, faults } = this.recorder;
    const broken = checkHistory({ posts, logs, listeners, presence }, presenceGraceMs);
    return [...late, ...checkIncidents(incidents, faults), ...checkRecovery(faults, posts), ...broken];
  }

  deliveries() {
    return this.#clients.flatMap((client) => {
      const { name, deliveries } = client.record();
      return deliveries.map((delivery) => ({ ...delivery, listener: name }));
    });
  }

  async #newChannel(): Promise<string> {
    const [first, ...others] = this.#cluster.dev.file.users;
    const base = this.#cluster.apis[0] ?? '';
    const name = `chaos-${randomUUID().slice(0, 13)}`;
    const { channel } = await api(base, 'conversations.create', first?.token ?? '', { name });
    const { id } = channel as { id: string };
    const users = others.map((user) => user.id).join(',');
    await api(base, 'conversations.invite', first?.token ?? '', { channel: id, users });
    return id;
  }

  /** What was posted, oldest first: joins have no text of ours. */
  async #readLogs(): Promise<Map<string, LogEntry[]>> {
    const logs = new Map<string, LogEntry[]>();
    for (const channel of this.#channels) logs.set(channel, await this.#readLog(channel));
    return logs;
  }

  async #readLog(channel: string): Promise<LogEntry[]> {
    const token = this.#cluster.dev.file.users[0]?.token ?? '';
    const entries: LogEntry[] = [];
    let cursor = '';
    do {
      const args = { channel, limit: 900, cursor };
      const page = await api(this.#cluster.apis[0] ?? '', 'conversations.history', token, args);
      const messages = page['messages'] as { seq: number; ts: string; text: string; subtype?: string }[];
      entries.push(...messages.filter(({ subtype }) => subtype === undefined));
      cursor = (page['response_metadata'] as { next_cursor?: string } | undefined)?.next_cursor ?? '';
    } while (cursor !== '');
    return entries.reverse().map(({ seq, ts, text }) => ({ seq, ts, text }));
  }
}
