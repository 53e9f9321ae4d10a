/*
 * Rounds of the whole system, with faults drawn by seeds, on a broker of its own:
 *
 *   npm run chaos -- [-n ROUNDS] [--seed FIRST]
 *
 *   -n       Default 50.
 *   --seed   That of the first round; the others follow. Default: by chance, and said.
 *
 * Exit code 1 if an answer was wrong, a job failed or hung, or something was left behind.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { slotsOf } from '../processes.ts'
import { RabbitNode, rabbitmq } from '../servers/rabbitmq.ts'
import { makeTemporaryFolder } from '../servers/temporary-folder.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { type Place, Round, type RoundEnd } from './round.ts'

/** What ends by itself, ends within this, in milliseconds. */
const LEFT_LIMIT_MS = 5000
/** Rounds after which queues are counted: what is left behind stays. */
const BATCH = 10

const { values } = parseArgs({ options: { n: { type: 'string', short: 'n', default: '50' }, seed: { type: 'string' } } })
const rounds = Number(values.n)
const first = Number(values.seed ?? Math.floor(Math.random() * 1e6))
// What runs is ended when this process is.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.exitCode = await main()

async function main(): Promise<number> {
  const binary = rabbitmq.findBinary()
  if (!binary) throw new Error('Cannot cause faults without a broker: there is no rabbitmq-server on this machine')
  const folder = makeTemporaryFolder('pymar-chaos')
  const { signal } = new AbortController()
  const node = await RabbitNode.start(binary, folder.path, signal)
  const [producer, worker] = [await TcpProxy.open(node.url), await TcpProxy.open(node.url)]
  const checkpoints = join(folder.path, 'checkpoints')
  mkdirSync(checkpoints)
  const restart = async (how: 'stop' | 'kill') => {
    await node.down(how)
    await node.up(signal)
  }
  const place: Place = { node, producer, worker, restart, checkpoints }
  console.log(`${rounds} rounds from seed ${first}`)
  try {
    return report(await play(place))
  } finally {
    producer.close()
    worker.close()
    await node.stop()
    folder.remove()
  }
}

async function play(place: Place): Promise<{ ends: RoundEnd[]; leaks: string[] }> {
  const ends: RoundEnd[] = []
  const leaks: string[] = []
  for (let seed = first; seed < first + rounds; seed++) {
    const round = new Round(place, seed)
    const end = await round.run()
    ends.push(end)
    if (end.what !== 'answer')
      console.log(
        `seed ${seed}: ${end.what}${end.error ? `: ${end.error}` : ''} after ${end.faults.join(', ')}; again: npm run chaos -- -n 1 --seed ${seed}`,
      )
    leaks.push(...(await processesOf(round)).map((what) => `seed ${seed}: ${what}`))
    if (ends.length % BATCH === 0 || ends.length === rounds) leaks.push(...(await queuesLeft(place)))
    if (ends.length % 50 === 0) console.log(`${ends.length} rounds`)
  }
  return { ends, leaks: [...new Set(leaks)] }
}

/** Workers and slots that do not end. */
async function processesOf({ workers }: Round): Promise<string[]> {
  const latest = performance.now() + LEFT_LIMIT_MS
  for (;;) {
    const left = workers.flatMap(({ child }) =>
      child.exitCode === null && child.signalCode === null
        ? [`worker ${child.pid}`]
        : slotsOf(child.pid as number).map((pid) => `slot ${pid}`),
    )
    if (left.length === 0 || performance.now() > latest) return left
    await sleep(50)
  }
}

/** Queues that no minute ends. */
async function queuesLeft({ node }: Place): Promise<string[]> {
  const queues = await node.ask('list_queues', 'name', 'arguments')
  return queues.filter((line) => /\bpymar\./.test(line) && !line.includes('x-expires'))
}

function report({ ends, leaks }: { ends: readonly RoundEnd[]; leaks: readonly string[] }): number {
  const count = (what: RoundEnd['what']) => ends.filter((end) => end.what === what).length
  const kinds = new Map<string, number>()
  for (const kind of ends.flatMap(({ faults }) => faults)) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  const recoveries = ends.flatMap((end) => end.recoveries).sort((a, b) => a - b)
  const at = (part: number) => ((recoveries[Math.min(recoveries.length - 1, Math.floor(part * recoveries.length))] ?? 0) / 1000).toFixed(1)
  const jobs = ends.reduce((sum, end) => sum + end.jobs, 0)
  console.log(`rounds ${ends.length} with ${jobs} jobs, in ${(ends.reduce((sum, { ms }) => sum + ms, 0) / 60_000).toFixed(1)} min`)
  for (const [kind, times] of [...kinds].sort(([, a], [, b]) => b - a)) console.log(`  ${String(times).padStart(5)}  ${kind}`)
  console.log(
    `answers ${count('answer')}, wrong answers ${count('wrong answer')}, hangs ${count('hang')}, errors ${count('error')}, leaks ${leaks.length}`,
  )
  for (const leak of leaks) console.log(`  ${leak}`)
  console.log(`time to recover: p50 ${at(0.5)} s, p95 ${at(0.95)} s, max ${at(1)} s`)
  const slowest = ends.find((end) => end.recoveries.includes(recoveries.at(-1) as number))
  if (slowest) console.log(`  that is of seed ${slowest.seed}: ${slowest.faults.join(', ')}`)
  return ends.length === count('answer') && leaks.length === 0 ? 0 : 1
}
