/**
 * What was wrong, until it is told.
 *
 * F1  Nothing is forgotten between two reports: what comes after one, a late double, is told by the next.
 */
const failuresMax = 20;

export class FailureList {
  #failures: string[] = [];

  /** Beyond the most that anybody reads, it is dropped: the run has failed anyhow. */
  add(what: string): void {
    if (this.#failures.length < failuresMax) this.#failures.push(what);
  }

  /** Since the last take (F1). */
  take(): string[] {
    const taken = this.#failures;
    this.#failures = [];
    return taken;
  }
}
