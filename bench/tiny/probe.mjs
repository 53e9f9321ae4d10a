// The memory of one job of so many tiny partitions, as JSON: node --expose-gc bench/tiny/probe.mjs PARTITIONS SLOTS [QUEUE NAMESPACE]
import { readFileSync } from 'node:fs'
import { expected, Tiny, Total } from './job.mjs'

const SAMPLES = 5

const [partitions, slots] = process.argv.slice(2, 4).map(Number)
const [queue, namespace] = process.argv.slice(4)
Total.WORKERS_NUMBER = partitions
const producer = new Total(queue ? { queue, namespace } : { slots })
const liveBytes = []
const total = await producer.map(Tiny, {
  onProgress({ done }) {
    if (done > 0 && done % Math.floor(partitions / SAMPLES) === 0) liveBytes.push(heapAfterGc())
  },
})
if (total !== expected(partitions)) throw new Error(`The sum is ${total}, not ${expected(partitions)}`)
console.log(
  JSON.stringify({
    rss: peakRss('self'),
    /** The most that was in use while the job ran, garbage not counted. */
    live: Math.max(...liveBytes),
    after: heapAfterGc(),
    slotRss: Math.max(...children().map(peakRss)),
  }),
)
await producer.close()

function heapAfterGc() {
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

/** What Linux says was the most that a process has held, in bytes; elsewhere it is not known. */
function peakRss(pid) {
  const [, kilobytes] = /VmHWM:\s*(\d+) kB/.exec(read(`/proc/${pid}/status`)) ?? []
  return Number(kilobytes) * 1024
}

function children() {
  return read(`/proc/self/task/${process.pid}/children`).trim().split(' ')
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
