/** # Clock: loaded first by every process of a test network; puts its clock ahead by TEST_CLOCK_AHEAD_MS. */
const ahead = Number(process.env.TEST_CLOCK_AHEAD_MS ?? 0);
const now = Date.now.bind(Date);
Date.now = () => now() + ahead;
