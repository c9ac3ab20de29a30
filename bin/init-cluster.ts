/**
 * Makes a cluster at the broker, once: streams and buckets, the team, the first admin token, and last the settings. Their
 * presence says that everything else is there, so a try that was cut short is simply made again.
 */
import type { Broker } from '../broker/broker.ts';
import { connectNats } from '../broker/nats-broker.ts';
import type { NatsAccess } from '../broker/nats-dial.ts';
import { provisionNats } from '../broker/nats-provision.ts';
import { BUCKET_CLUSTER, BUCKET_DIRECTORY } from '../broker/subjects.ts';
import { createSettings, readSettings, type SettingsRead } from '../cluster/settings.ts';
import type { Clock } from '../platform/clock.ts';
import { UsageError } from '../platform/config.ts';
import { silentLogger } from '../platform/logger.ts';
import type { Rng } from '../platform/rng.ts';
import { makeTeamId, type TeamId } from '../protocol/ids.ts';
import { decodeTeam, keys, type TeamRecord } from '../webapp/directory-records.ts';
import { RecordBucket } from '../webapp/record-bucket.ts';
import { createTokenStore } from '../webapp/token-store.ts';

export type InitPlan = {
  readonly replicas: 1 | 3;
  readonly partitions: number;
  /** The team's name. */
  readonly team: string;
  /** Becomes valid, when the cluster is made now. */
  readonly adminToken: string;
};

export type InitOutcome = { readonly kind: 'created' | 'already'; readonly team: TeamId };
type Means = { readonly clock: Clock; readonly rng: Rng };

const secretBytes = 32;

/** With the admin user's access. @throws BrokerUnusableError or UsageError, in one line */
export async function initCluster(access: NatsAccess, plan: InitPlan, means: Means): Promise<InitOutcome> {
  const present = await withBroker(access, means, standing);
  if (present !== undefined) return outcomeOf('already', present);
  await provisionNats(access, { partitions: plan.partitions, replicas: plan.replicas });
  return withBroker(access, means, async (broker) => {
    // Servers without a leader answered nothing before: what stands there is only seen now.
    const late = await standing(broker);
    return late === undefined ? fillBuckets(broker, plan, means) : outcomeOf('already', late);
  });
}

/** The settings that are there; undefined when there are none, or the broker cannot say. */
async function standing(broker: Broker): Promise<SettingsRead | undefined> {
  const read = await readSettings(broker.kv(BUCKET_CLUSTER));
  return read.kind === 'found' || read.kind === 'invalid' ? read : undefined;
}

async function withBroker<T>(access: NatsAccess, { clock }: Means, run: (broker: Broker) => Promise<T>): Promise<T> {
  const broker = await connectNats({ ...access, records: false, clock, logger: silentLogger });
  try {
    return await run(broker);
  } finally {
    await broker.close();
  }
}

async function fillBuckets(broker: Broker, plan: InitPlan, means: Means): Promise<InitOutcome> {
  const team = await makeTeam(broker, plan.team, means.rng);
  await makeAdmin(broker, plan.adminToken, means);
  const secret = Buffer.from(means.rng.bytes(secretBytes)).toString('base64');
  const createdAt = Math.floor(means.clock.wallMs());
  const settings = { team: team.id, createdAt, secret };
  return outcomeOf('created', await createSettings(broker.kv(BUCKET_CLUSTER), settings));
}

async function makeTeam(broker: Broker, name: string, rng: Rng): Promise<TeamRecord> {
  const team: TeamRecord = { id: makeTeamId(rng), name, domain: domainOf(name) };
  const created = await new RecordBucket(broker.kv(BUCKET_DIRECTORY)).create(keys.team, team, decodeTeam);
  if (created.kind === 'unavailable') throw new UsageError('the team could not be written: the broker does not answer');
  return created.kind === 'exists' ? created.value : team;
}

async function makeAdmin(broker: Broker, token: string, { clock, rng }: Means): Promise<void> {
  const tokens = createTokenStore({ broker, clock, rng, logger: silentLogger });
  const installed = await tokens.install(token, { kind: 'admin', unlimited: true });
  tokens.stop();
  if (!installed) throw new UsageError('the admin token could not be written: the broker does not answer');
}

function outcomeOf(kind: InitOutcome['kind'], read: SettingsRead): InitOutcome {
  if (read.kind === 'found') return { kind, team: read.settings.team };
  const why = read.kind === 'invalid' ? `they are not of this release: ${read.reason}` : 'the broker does not answer';
  throw new UsageError(`the cluster's settings could not be made: ${why}`);
}

/** The first part of the team's address: letters, digits and dashes. */
function domainOf(name: string): string {
  const plain = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return plain === '' ? 'team' : plain;
}
