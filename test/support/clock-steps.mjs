/**
 * Loaded before a process's own code (NODE_OPTIONS=--import …): its wall clock is TEST_CLOCK_AHEAD_MS wrong from the
 * start, and steps by TEST_CLOCK_STEP_MS with each SIGUSR2, as a machine's does when somebody sets it.
 */
const { TEST_CLOCK_AHEAD_MS = '0', TEST_CLOCK_STEP_MS = '0' } = process.env;
const rightNow = Date.now;
let aheadMs = Number(TEST_CLOCK_AHEAD_MS);
Date.now = () => rightNow() + aheadMs;
process.on('SIGUSR2', () => {
  aheadMs += Number(TEST_CLOCK_STEP_MS);
});
