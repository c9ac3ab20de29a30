/**
 * What the cluster's members say to each other: heartbeats, node entries, the slot table's rows. Types and codecs; the
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
  /** Where it serves /healthz, /readyz and /metrics; for operators. */
  readonly adminUrl: string;
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
  /** The sender's monotonic clock, ms: by it a gateway judges tickets. */
  readonly monotonicMs: number;
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

/** The slot table, stored (table-codec.ts) in the cluster bucket under `table`; its KV revision is the view. */
export interface TableValue {
  readonly rows: readonly SlotRow[];
}

export function encodeHeartbeat(beat: Heartbeat): Uint8Array {
  const { incarnation, role, view, load, wallMs, state, monotonicMs } = beat;
  return encode([CLUSTER_FORMAT, incarnation, role, view, load, wallMs, state, monotonicMs]);
}

const ROLES: readonly string[] = ['webapp', 'worker', 'gateway'];
const BEAT_STATES: readonly string[] = ['joining', 'serving', 'paused', 'draining'];

/** @throws DecodeError */
export function decodeHeartbeat(bytes: Uint8Array): Heartbeat {
  const fields = decodeVersioned('heartbeat', bytes, 1024, CLUSTER_FORMAT);
  const [, name, role, view, load, wallMs, state, monotonicMs] = fields;
  const incarnation = parseIncarnation(name);
  if (incarnation === undefined || !ROLES.includes(role as string) || !BEAT_STATES.includes(state as string)) {
    throw new DecodeError('heartbeat', 'malformed');
  }
  if (!isCount(view) || !isCount(load) || typeof wallMs !== 'number' || typeof monotonicMs !== 'number') {
    throw new DecodeError('heartbeat', 'malformed');
  }
  return { incarnation, role: role as Role, view, load, wallMs, state: state as Heartbeat['state'], monotonicMs };
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
    adminUrl: textOf(value['adminUrl']),
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
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
