/**
 * The TCP ports on which a process of this machine listens, from /proc: roles pick their admin port themselves, and only
 * tell their supervisor.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const listening = '0A';
const addressField = 1;
const stateField = 3;
const inodeField = 9;

/** Empty when it is gone or not ours to look into. */
export function listeningPorts(pid: number): number[] {
  try {
    const inodes = socketInodes(pid);
    const tables = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/${pid}/net/${name}`, 'utf8'));
    return [...new Set(tables.flatMap((table) => parseListening(table, inodes)))];
  } catch {
    return [];
  }
}

/** Of /proc/net/tcp: the local ports of the listening sockets with one of the inodes. */
export function parseListening(table: string, inodes: ReadonlySet<string>): number[] {
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[stateField] === listening && inodes.has(fields[inodeField] ?? ''))
    .map((fields) => Number.parseInt(fields[addressField]?.split(':')[1] ?? '', 16));
}

function socketInodes(pid: number): Set<string> {
  const folder = `/proc/${pid}/fd`;
  const inodes = readdirSync(folder).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${fd}`))?.[1] ?? [];
    } catch {
      // Closed between the listing and the reading.
      return [];
    }
  });
  return new Set(inodes);
}
