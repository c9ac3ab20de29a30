/**
 * What the cluster's members say to each other: heartbeats, the slot table, control requests. Types and codecs; the
 * rules are cluster/'s.
 */
import { decodeVersioned, encode } from './codec.ts';
import { DecodeError } from './errors.ts';
import { parseIncarnation, parseNodeId, type Incarnation, type NodeId } from './ids.ts';

export const CLUSTER_FORMAT = 1;
export type Role = 'webapp' | 'worker' | 'gateway';

/** A node's entry in the cluster bucket under `node.<role>.<incarnation>`; what an operator set and others need. */
export interface NodeEntry {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly role: Role;
  readonly zone: string;
  readonly weight: number;
  readonly region: string;
  /** ws:// or http:// URL that clients reach it by; empty for workers. */
  readonly publicUrl: string;
  readonly pid: number;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** Every 100 ms, from the main loop, on core NATS. */
export interface Heartbeat {
  readonly incarnation: Incarnation;
  readonly role: Role;
  /** The revision of the table that the sender acts on; 0 before it has one. */
  readonly view: number;
  /** Sessions on a gateway, owned slots of a worker. */
  readonly load: number;
  /** The sender's wall clock, ms: others measure skew with it. */
  readonly wallMs: number;
  readonly state: 'joining' | 'serving' | 'paused' | 'draining';
}

export type SlotState = 'stable' | 'handoff';

/** One row of the table. */
export interface SlotRow {
  /** Undefined: nobody (no live worker). In a hand-off: the new owner. */
  readonly owner: Incarnation | undefined;
  /** Rises by one with each change of owner. */
  readonly epoch: number;
  readonly state: SlotState;
  /** In a hand-off: who owns it until RELEASE. */
  readonly from: Incarnation | undefined;
  /** True when the previous owner is not known to be cut off: activation appends an epoch record first. */
  readonly fence: boolean;
}

/** The slot table, as stored in the cluster bucket under `table`; its KV revision is the view. */
export interface TableValue {
  readonly rows: readonly SlotRow[];
}

export function encodeHeartbeat(beat: Heartbeat): Uint8Array {
  return encode([CLUSTER_FORMAT, beat.incarnation, beat.role, beat.view, beat.load, beat.wallMs, beat.state]);
}

const ROLES: readonly string[] = ['webapp', 'worker', 'gateway'];
const BEAT_STATES: readonly string[] = ['joining', 'serving', 'paused', 'draining'];

/** @throws DecodeError */
export function decodeHeartbeat(bytes: Uint8Array): Heartbeat {
  const [, name, role, view, load, wallMs, state] = decodeVersioned('heartbeat', bytes, 1024, CLUSTER_FORMAT);
  const incarnation = parseIncarnation(name);
  if (incarnation === undefined || !ROLES.includes(role as string) || !BEAT_STATES.includes(state as string)) {
    throw new DecodeError('heartbeat', 'malformed');
  }
  if (!isCount(view) || !isCount(load) || typeof wallMs !== 'number') throw new DecodeError('heartbeat', 'malformed');
  return { incarnation, role: role as Role, view, load, wallMs, state: state as Heartbeat['state'] };
}

/** Owners once, rows as small integers: about 30 KB for 4,096 slots. Plain loops: every node does this at each change. */
export function encodeTable({ rows }: TableValue): Uint8Array {
  const places = new Map<Incarnation, number>();
  const place = (owner: Incarnation | undefined): number => {
    if (owner === undefined) return 0;
    const known = places.get(owner);
    if (known !== undefined) return known;
    places.set(owner, places.size + 1);
    return places.size;
  };
  const [owners, epochs, flags, froms] = [[], [], [], []] as [number[], number[], number[], number[]];
  for (const { owner, epoch, state, fence, from } of rows) {
    owners.push(place(owner));
    epochs.push(epoch);
    flags.push((state === 'handoff' ? HANDOFF_BIT : 0) + (fence ? FENCE_BIT : 0));
    froms.push(place(from));
  }
  return encode([CLUSTER_FORMAT, [...places.keys()], owners, epochs, flags, froms]);
}

const HANDOFF_BIT = 1;
const FENCE_BIT = 2;

/** @throws DecodeError */
export function decodeTable(bytes: Uint8Array): TableValue {
  const [, names, owner, epoch, flags, from] = decodeVersioned('table', bytes, 1024 * 1024, CLUSTER_FORMAT);
  if (!isList(names) || !isList(owner) || !isList(epoch) || !isList(flags) || !isList(from)) {
    throw new DecodeError('table', 'malformed');
  }
  if (epoch.length !== owner.length || flags.length !== owner.length || from.length !== owner.length) {
    throw new DecodeError('table', 'uneven columns');
  }
  const owners = [undefined, ...names.map(incarnation)];
  const rows: SlotRow[] = [];
  for (let slot = 0; slot < owner.length; slot += 1) {
    const [bits, height] = [flags[slot], epoch[slot]];
    if (!isCount(bits) || !isCount(height)) throw new DecodeError('table', 'malformed row');
    rows.push({
      owner: ownerAt(owners, owner[slot]),
      epoch: height,
      state: bits & HANDOFF_BIT ? 'handoff' : 'stable',
      from: ownerAt(owners, from[slot]),
      fence: (bits & FENCE_BIT) !== 0,
    });
  }
  return { rows };
}

function ownerAt(owners: readonly (Incarnation | undefined)[], place: unknown): Incarnation | undefined {
  if (!isCount(place) || place >= owners.length) throw new DecodeError('table', 'no such owner');
  return owners[place];
}

/** JSON in the bucket: people look at it. @throws DecodeError */
export function decodeNodeEntry(bytes: Uint8Array): NodeEntry {
  const value = parseObject(bytes);
  const id = parseNodeId(value['id']);
  const life = parseIncarnation(value['incarnation']);
  const { role, weight } = value;
  if (id === undefined || life === undefined || typeof role !== 'string' || !ROLES.includes(role)) {
    throw new DecodeError('node entry', 'malformed');
  }
  return {
    id,
    incarnation: life,
    role: role as Role,
    zone: textOf(value['zone']),
    weight: typeof weight === 'number' && weight >= 0 ? weight : 1,
    region: textOf(value['region']),
    publicUrl: textOf(value['publicUrl']),
    pid: numberOf(value['pid']),
    version: textOf(value['version']),
    startedAt: numberOf(value['startedAt']),
  };
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw new DecodeError('node entry', 'not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null) throw new DecodeError('node entry', 'not an object');
  return value as Readonly<Record<string, unknown>>;
}

export function encodeNodeEntry(entry: NodeEntry): Uint8Array {
  return Buffer.from(JSON.stringify(entry));
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
function isList(value: unknown): value is unknown[] {
  return Array.isArray(value);
}
function incarnation(value: unknown): Incarnation {
  const life = parseIncarnation(value);
  if (life === undefined) throw new DecodeError('table', 'malformed owner');
  return life;
}
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
