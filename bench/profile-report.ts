/** Where the CPU time of a .cpuprofile went: self time by function, as a share of the time that was not idle. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

export type CpuProfile = {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples?: readonly number[];
  readonly timeDeltas?: readonly number[];
};

export type SelfTime = { readonly place: string; readonly ms: number; readonly share: number };

/** The whole stretch's idle part, and the functions with most self time first. */
export type ProfileSummary = { readonly busyMs: number; readonly idleMs: number; readonly top: readonly SelfTime[] };

const idleName = '(idle)';
const inspectorUrl = 'node:inspector';

export function readProfile(path: string): CpuProfile {
  return JSON.parse(readFileSync(path, 'utf8')) as CpuProfile;
}

export function summariseProfile(profile: CpuProfile, count: number): ProfileSummary {
  const places = new Map(profile.nodes.map((node) => [node.id, placeOf(node.callFrame)]));
  const profiling = underInspector(profile);
  const selfUs = new Map<string, number>();
  for (const [index, id] of (profile.samples ?? []).entries()) {
    if (profiling.has(id)) continue;
    const place = places.get(id) ?? '(unknown)';
    selfUs.set(place, (selfUs.get(place) ?? 0) + (profile.timeDeltas?.[index] ?? 0));
  }
  const idleMs = (selfUs.get(idleName) ?? 0) / 1_000;
  selfUs.delete(idleName);
  const busyMs = [...selfUs.values()].reduce((sum, us) => sum + us, 0) / 1_000;
  const top = [...selfUs].toSorted((a, b) => b[1] - a[1]).slice(0, count);
  return { busyMs, idleMs, top: top.map(([place, us]) => ({ place, ms: us / 1_000, share: us / 1_000 / busyMs })) };
}

/** What the profiler itself does, which is no part of the program's work: everything below the inspector's calls. */
function underInspector({ nodes }: CpuProfile): Set<number> {
  const under = new Set<number>();
  // A node's children stand behind it.
  for (const { id, callFrame, children } of nodes) {
    if (!under.has(id) && callFrame.url !== inspectorUrl) continue;
    under.add(id);
    for (const child of children ?? []) under.add(child);
  }
  return under;
}

function placeOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  return url === '' ? name : `${name} ${basename(url)}:${lineNumber + 1}`;
}
