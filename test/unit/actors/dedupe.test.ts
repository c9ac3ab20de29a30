import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Dedupe, type DedupeRow } from '../../../actors/dedupe.ts';
import type { MutationId } from '../../../protocol/ids.ts';
import { ALICE, BOB, CAROL } from '../../support/actor-lab.ts';

const MAX = 5;
/** Ids that name an author, too: no id may be taken for another author's. */
const step = fc.tuple(fc.constantFrom(ALICE, BOB, CAROL), fc.constantFrom('1', '2', '3', `${BOB} 1`));

/** As it is said: the last MAX different mutations, each with the seq of its first event. */
class Plain {
  rows: DedupeRow[] = [];

  find(author: string, id: string): DedupeRow | undefined {
    return this.rows.find((row) => row[0] === author && row[1] === id);
  }

  remember(author: string, id: string, seq: number): void {
    const known = this.find(author, id);
    if (known === undefined) this.rows = [...this.rows, [author, id, seq, 1] as const].slice(-MAX);
    else if (known[2] + known[3] === seq) {
      this.rows = this.rows.map((row) => (row === known ? [row[0], row[1], row[2], row[3] + 1] : row));
    }
  }
}

test('it knows the last mutations of each author, also where several use the same ids, and no others', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(60), (steps, cut) => {
      const plain = new Plain();
      let dedupe = new Dedupe(MAX);
      for (const [at, [author, name]] of steps.entries()) {
        const id = name as MutationId;
        const known = plain.find(author, id);
        const found = dedupe.find(author, id);
        expect(found && [found.seq, found.count]).toEqual(known && [known[2], known[3]]);
        plain.remember(author, id, at + 1);
        dedupe.remember(author, id, at + 1);
        expect(dedupe.rows()).toEqual(plain.rows);
        expect(dedupe.rows(cut)).toEqual(plain.rows.filter((row) => row[2] > cut));
        if (at !== cut) continue;
        dedupe = new Dedupe(MAX);
        dedupe.restore(plain.rows);
      }
      expect(dedupe.size).toBe(plain.rows.length);
    }),
  );
});
