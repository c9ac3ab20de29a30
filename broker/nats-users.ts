/** The users that nats.conf has, one for each role, and how it is told their passwords. */

export const NATS_USERS = ['webapp', 'worker', 'gateway', 'admin', 'sys'] as const;
export type NatsUser = (typeof NATS_USERS)[number];
export type NatsPasswords = Readonly<Record<NatsUser, string>>;

/** The variables of the environment that nats.conf reads. */
export function passwordVariables(passwords: NatsPasswords): Record<string, string> {
  return Object.fromEntries(NATS_USERS.map((user) => [`BELFRY_NATS_${user.toUpperCase()}_PASSWORD`, passwords[user]]));
}
