/** Whether a subject (or a key) matches a filter: `*` stands for one token, a last `>` for one or more. */
export function subjectMatches(filter: string, subject: string): boolean {
  if (filter === subject) return true;
  // Most filters are plain subjects, and a simulation asks for millions of pairs.
  if (!filter.includes('*') && !filter.endsWith('>')) return false;
  const [wanted, tokens] = [filter.split('.'), subject.split('.')];
  for (const [at, token] of wanted.entries()) {
    if (token === '>' && at === wanted.length - 1) return tokens.length > at;
    if (at >= tokens.length || (token !== '*' && token !== tokens[at])) return false;
  }
  return wanted.length === tokens.length;
}
