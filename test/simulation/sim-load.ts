/** What goes on in a simulated team: devices that are online, posts by RTM and HTTP, reads, joins and leaves. */
import type { ChannelId, UserId } from '../../protocol/ids.ts';
import { SimDevice } from './sim-device.ts';
import type { SimGateway } from './sim-gateway.ts';
import { CHANNELS, USERS } from './sim-names.ts';
import { SimPoster, type OwnerOf } from './sim-poster.ts';
import type { SimWorld } from './sim-world.ts';

/** From the end of the last fault to everything being answered and delivered. */
const AVAILABLE_AGAIN_MS = 12_000;
const DELIVERED_MS = 8_000;

export class SimLoad {
  readonly devices: SimDevice[];
  readonly poster: SimPoster;
  readonly #world: SimWorld;
  readonly #visitor = USERS[3] as UserId;
  readonly #members = USERS.slice(0, 3);
  readonly #channels: readonly ChannelId[];
  #count = 0;

  constructor(world: SimWorld, gateways: () => readonly SimGateway[], channels: number, ownerOf?: OwnerOf) {
    this.#world = world;
    this.#channels = CHANNELS.slice(0, channels);
    this.poster = new SimPoster(world, 'webapp', ownerOf);
    this.devices = USERS.map((user, at) => new SimDevice(world, `device${at}`, user, gateways));
  }

  async start(): Promise<void> {
    for (const channel of this.#channels) void this.poster.openChannel(channel, this.#members);
    await this.#world.until('channels open', 5_000, () => this.poster.open === 0);
    for (const device of this.devices) device.connect();
    await this.#world.until('devices come online', 8_000, () => this.devices.every(({ live }) => live));
  }

  /** One of the things that a client does. */
  act(): void {
    const { rng } = this.#world;
    const channel = this.#pick(this.#channels);
    const device = this.devices[rng.int(this.#members.length)] as SimDevice;
    this.#count += 1;
    const mutation = `m${this.#count}`;
    const dice = rng.float();
    if (dice < 0.4) device.post(channel, mutation);
    else if (dice < 0.75) void this.poster.post(channel, this.#pick(this.#members), mutation);
    else if (dice < 0.88) void this.poster.read(channel, this.#pick(this.#members));
    else if (dice < 0.95)
      void this.poster.member(channel, this.#visitor, rng.int(2) === 0 ? 'join' : 'leave', mutation);
    else this.#pick(this.devices).dropSocket();
  }

  /** No fault any more: everything that was asked is answered, posts go through, everybody has everything. */
  async settle(): Promise<void> {
    const answered = () => this.poster.open === 0 && this.devices.every(({ live, idle }) => live && idle);
    await this.#world.until('it is available again', AVAILABLE_AGAIN_MS, answered, () => this.#open());
    // In channels that stay quiet: no later event shows that the last one is missing.
    await this.#delivered();
    for (const channel of this.#channels) void this.poster.post(channel, this.#members[0] as UserId, `last-${channel}`);
    await this.#world.until('posts go through again', AVAILABLE_AGAIN_MS, answered, () => this.#open());
    await this.#delivered();
  }

  async #delivered(): Promise<void> {
    const all = () => this.#behind().length === 0;
    await this.#world.until('everything is delivered', DELIVERED_MS, all, () => this.#behind().join(', '));
  }

  #open(): string {
    const waiting = this.devices
      .filter(({ live, idle }) => !live || !idle)
      .map(({ name, live }) => `${name} live: ${live}`);
    return `${this.poster.open} calls open, ${waiting.join(', ')}`;
  }

  #behind(): string[] {
    return this.devices.flatMap((device) =>
      device.behind(this.#channels.filter((channel) => this.#isIn(channel, device.user))),
    );
  }

  #isIn(channel: ChannelId, user: UserId): boolean {
    if (user !== this.#visitor) return true;
    for (let seq = this.#world.book.tail(channel); seq > 0; seq -= 1) {
      const body = this.#world.book.event(channel, seq)?.body;
      if ((body?.kind === 'joined' || body?.kind === 'left') && body.user === user) return body.kind === 'joined';
    }
    return false;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#world.rng.int(from.length)] as T;
  }
}
