import { readFileSync } from 'node:fs'

/** How often the thread looks, in milliseconds: a slot ends at most this long after its parent. */
const INTERVAL_MS = 300

/*
 * A slot whose parent is gone learns it from the closed pipe, unless user code never lets its event loop turn. On Linux
 * the kernel ends it then, by the signal that it was started with. Elsewhere a thread looks at the parent's pid; it
 * costs some 30 ms of a core when the slot starts, which is why it is the second choice.
 */
const WATCH = `
  const { workerData } = require('node:worker_threads')
  setInterval(() => process.ppid === workerData || process.kill(process.pid, 'SIGKILL'), ${INTERVAL_MS})
`

/**
 * Ends this process within a second of its parent's end, also in the middle of an endless loop.
 *
 * @param signalled Whether the kernel was asked to end it.
 */
export async function watchParent(parent: number, signalled: boolean): Promise<void> {
  // The parent may have been gone before the kernel was asked.
  if (process.ppid !== parent) process.exit()
  if (signalled && keepsSignal()) return
  const { Worker } = await import('node:worker_threads')
  new Worker(WATCH, { eval: true, workerData: parent, execArgv: [], env: {} }).unref()
}

/** Whether the kernel still knows of the signal: it forgets it where Node's binary has capabilities of its own, but not for root. */
function keepsSignal(): boolean {
  return process.geteuid?.() === 0 || /^CapPrm:\s*0+$/m.test(readFileSync('/proc/self/status', 'utf8'))
}
