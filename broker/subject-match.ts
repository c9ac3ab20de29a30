/** Whether a subject (or a key) matches a filter: `*` stands for one token, a last `>` for one or more. */
export function subjectMatches(filter: string, subject: string): boolean {
  if (!isPattern(filter)) return filter === subject;
  // Without a split: a simulation asks for millions of pairs.
  let [wantedAt, tokenAt] = [0, 0];
  for (;;) {
    const [wantedEnd, tokenEnd] = [endOf(filter, wantedAt), endOf(subject, tokenAt)];
    const isLast = wantedEnd === filter.length;
    const wanted = wantedEnd - wantedAt === 1 ? filter[wantedAt] : undefined;
    if (wanted === '>' && isLast) return true;
    if (wanted !== '*' && !isSame(filter, wantedAt, wantedEnd, subject, tokenAt, tokenEnd)) return false;
    if (isLast || tokenEnd === subject.length) return isLast && tokenEnd === subject.length;
    wantedAt = wantedEnd + 1;
    tokenAt = tokenEnd + 1;
  }
}

/** Whether a filter may match more than the subject that it spells. */
export function isPattern(filter: string): boolean {
  return filter.includes('*') || filter.endsWith('>');
}

/** Where the token that begins there ends. */
function endOf(text: string, from: number): number {
  const end = text.indexOf('.', from);
  return end === -1 ? text.length : end;
}

function isSame(a: string, aFrom: number, aEnd: number, b: string, bFrom: number, bEnd: number): boolean {
  return aEnd - aFrom === bEnd - bFrom && b.startsWith(a.slice(aFrom, aEnd), bFrom);
}
