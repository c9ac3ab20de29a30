/** A webapp and whoever uses it: posts, joins and reads over HTTP's path, with retries under one mutation id. */
import type { Broker } from '../../broker/broker.ts';
import { CommandRouter } from '../../cluster/command-router.ts';
import type { StreamCommand } from '../../protocol/commands.ts';
import type { ChannelId, Incarnation, MutationId, UserId } from '../../protocol/ids.ts';
import { ProcessClock } from './sim-clock.ts';
import { metaOf } from './sim-names.ts';
import type { SimWorld } from './sim-world.ts';

/** To whom commands for a slot may go by name. */
export type OwnerOf = (slot: number) => Incarnation | undefined;

const ATTEMPT_MS = 1_500;
const RETRY_MS = 30;

export class SimPoster {
  readonly name: string;
  readonly #world: SimWorld;
  readonly #broker: Broker;
  readonly #router: CommandRouter;
  readonly #clock: ProcessClock;
  /** Calls that are not answered for good. */
  open = 0;

  constructor(world: SimWorld, name: string, ownerOf: OwnerOf = () => undefined) {
    this.name = name;
    this.#world = world;
    this.#clock = new ProcessClock(world.clock);
    const self = world.incarnation(name);
    this.#broker = world.hub.connect(self);
    const logger = world.history.logger(name);
    this.#router = new CommandRouter({ lane: this.#broker.commands, self, clock: this.#clock, logger, ownerOf });
  }

  async openChannel(channel: ChannelId, members: readonly UserId[]): Promise<void> {
    const mutation = `open-${channel}` as MutationId;
    const result = await this.#insist(channel, { kind: 'open', meta: metaOf(channel), members, mutation });
    if (result === undefined) this.#world.rejected(this.name, channel, mutation);
  }

  /** Of a user who never leaves the channel. */
  async post(channel: ChannelId, user: UserId, mutation: string): Promise<void> {
    this.#world.history.note(this.name, 'posts', channel, mutation);
    const command = {
      kind: 'post',
      author: { user },
      draft: { text: mutation },
      mutation: mutation as MutationId,
    } as const;
    const result = await this.#insist(channel, command);
    if (result === undefined) return this.#world.rejected(this.name, channel, `${user}'s ${mutation}`);
    this.#world.acked(this.name, channel, user, mutation, result.seq, result.ts);
  }

  async member(channel: ChannelId, user: UserId, kind: 'join' | 'leave', mutation: string): Promise<void> {
    this.#world.history.note(this.name, kind, channel, user);
    await this.#insist(channel, { kind, user, mutation: mutation as MutationId });
  }

  /** Sees at least what was acknowledged before it began. */
  async read(channel: ChannelId, viewer: UserId): Promise<void> {
    const beganMs = this.#world.clock.monotonicMs();
    const ackedBefore = this.#world.ackedSeq(channel);
    const outcome = await this.#router.toStream<'info'>(channel, { kind: 'info', viewer }, { deadlineMs: ATTEMPT_MS });
    if (outcome.ok) this.#world.readSaw(this.name, channel, outcome.result.info.seq, ackedBefore, beganMs);
  }

  /** Until it is answered; undefined: rejected. */
  async #insist<C extends StreamCommand>(channel: ChannelId, command: C) {
    this.open += 1;
    for (;;) {
      const outcome = await this.#router.toStream<C['kind']>(channel, command as never, { deadlineMs: ATTEMPT_MS });
      const failure = outcome.ok ? undefined : outcome.failure;
      if (failure !== undefined) this.#world.history.note(this.name, 'failed', channel, JSON.stringify(failure));
      if (outcome.ok || outcome.failure.kind === 'rejected') {
        this.open -= 1;
        return outcome.ok ? outcome.result : undefined;
      }
      await this.#clock.sleep(RETRY_MS);
    }
  }
}
