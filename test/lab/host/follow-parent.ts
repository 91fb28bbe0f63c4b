let following = false;

/** Ends this process soon after the one that started it: a test runner that is killed leaves its files running. */
export function followParent(): void {
  if (following) return;
  following = true;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
  }, 500).unref();
}
