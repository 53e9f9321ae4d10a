import { Worker } from 'node:worker_threads'

/** A slot ends at most this long after its parent, in milliseconds. */
const INTERVAL_MS = 300

/*
 * A slot whose parent is gone learns it from the closed channel, unless user code never lets its event loop turn. So a
 * thread of its own looks at the parent's pid, and kills the process when that changes.
 */
const WATCH = `
  const { workerData } = require('node:worker_threads')
  setInterval(() => process.ppid === workerData || process.kill(process.pid, 'SIGKILL'), ${INTERVAL_MS})
`

/** Ends this process within a second of its parent's end, also in the middle of an endless loop. */
export function watchParent(): void {
  const parent = Number(process.argv[2])
  new Worker(WATCH, { eval: true, workerData: parent, execArgv: [], env: {} }).unref()
}
