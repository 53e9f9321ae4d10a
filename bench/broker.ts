import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { connect } from 'amqplib'
import { PingPong } from './broker/ping-pong.ts'
import { RunningWorker } from './broker/running-worker.ts'
import { length, partitions } from './integration/functions.mjs'
import { Integral, Points } from './integration/job.mjs'
import { Threads } from './integration/threads.mjs'
import { interleave, median, ratio } from './measure.ts'
import { ms, perSecond, type Row } from './table.ts'
import { expected, Tiny, Total } from './tiny/job.mjs'

const run = promisify(execFile)
const SLOTS = 2
const INTEGRATION_TARGET = 1.1
const EMPTY_TARGET = 3
/** 0.8 of the peer's rate is 1.25 of its time. */
const SMALL_TARGET = 1 / 0.8
const BYTES_TARGET = 200
const namespace = `bench-${process.pid}`
const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Jobs over RabbitMQ, beside the same work without it, and beside bare messages. */
export async function broker(quick: boolean): Promise<Row[]> {
  const url = process.env['PYMAR_TEST_AMQP']
  if (!url) return [{ what: 'over RabbitMQ: no broker here', value: 'not run' }]
  return [
    ...(await integration(url, quick)),
    ...(await empty(url, quick)),
    ...(await small(url, quick)),
    await bytes(url),
    ...(await starts(url, quick)),
  ]
}

async function integration(url: string, quick: boolean): Promise<Row[]> {
  const worker = await RunningWorker.start(fileOf('integration/job.mjs'), url, namespace)
  const threads = new Threads(SLOTS)
  const producer = new Integral({ queue: url, namespace })
  const parts = partitions()
  const [byHand, answer] = [await threads.integrate(parts), await producer.map(Points)]
  if (byHand !== answer) throw new Error(`By hand the integral is ${byHand}, over RabbitMQ ${answer}`)
  const [peer = [], own = []] = await interleave(
    [
      { name: 'threads', run: () => threads.integrate(parts) },
      { name: 'pymar', run: () => producer.map(Points) },
    ],
    quick ? { warmups: 1, measured: 5 } : { warmups: 3, measured: 15 },
  )
  await Promise.all([threads.close(), producer.close()])
  await worker.end()
  const points = `${length / 1e6} million points, ${parts.length} partitions`
  return [
    { what: `worker_threads by hand, 2 warm threads, ${points}, again`, value: ms(median(peer)) },
    { what: 'over RabbitMQ, 2 warm slots', value: ms(median(own)), ratio: ratio(own, peer), target: INTEGRATION_TARGET },
  ]
}

async function empty(url: string, quick: boolean): Promise<Row[]> {
  const worker = await RunningWorker.start(fileOf('tiny/job.mjs'), url, namespace)
  const pingPong = await PingPong.open(url, 'bare')
  const producer = new Total({ queue: url, namespace })
  Total.WORKERS_NUMBER = 4
  const times = 20
  const repeated = async (once: () => Promise<unknown>) => {
    for (let time = 0; time < times; time++) await once()
  }
  const [peer = [], own = []] = await interleave(
    [
      { name: 'round trip', run: () => repeated(() => pingPong.play(1)) },
      { name: 'pymar', run: () => repeated(() => producer.map(Tiny)) },
    ],
    quick ? { warmups: 10, measured: 10 } : { warmups: 20, measured: 40 },
  )
  await Promise.all([producer.close(), pingPong.close()])
  await worker.end()
  return [
    { what: 'a bare round trip of one message over RabbitMQ', value: ms(median(peer) / times) },
    { what: 'a job of 4 empty partitions, 2 warm slots', value: ms(median(own) / times), ratio: ratio(own, peer), target: EMPTY_TARGET },
  ]
}

async function small(url: string, quick: boolean): Promise<Row[]> {
  const worker = await RunningWorker.start(fileOf('tiny/job.mjs'), url, namespace)
  const pingPong = await PingPong.open(url, 'safe')
  const producer = new Total({ queue: url, namespace })
  const count = 20_000
  Total.WORKERS_NUMBER = count
  const [peer = [], own = []] = await interleave(
    [
      { name: 'ping-pong', run: () => pingPong.play(count) },
      {
        name: 'pymar',
        async run() {
          const total = await producer.map(Tiny)
          if (total !== expected(count)) throw new Error(`The sum is ${total}, not ${expected(count)}`)
        },
      },
    ],
    quick ? { warmups: 1, measured: 3 } : { warmups: 2, measured: 9 },
  )
  await Promise.all([producer.close(), pingPong.close()])
  await worker.end()
  const rate = (times: readonly number[]) => perSecond((count / median(times)) * 1000)
  return [
    { what: 'ping-pong by amqplib, with confirms and acknowledgements', value: rate(peer) },
    { what: 'small partitions over RabbitMQ (ratio of times)', value: rate(own), ratio: ratio(own, peer), target: SMALL_TARGET },
  ]
}

/** What one partition takes on its way to a worker, of a job that no worker takes. */
async function bytes(url: string): Promise<Row> {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createChannel()
  Total.WORKERS_NUMBER = 1000
  const producer = new Total({ queue: url, namespace: `${namespace}-bytes`, workerTimeoutMs: 500 })
  const bodies: number[] = []
  const failed = producer.map(Tiny).catch((error) => error)
  const error = await failed
  const queue = await queueOf(url)
  for (let message = await channel.get(queue, { noAck: true }); message; message = await channel.get(queue, { noAck: true })) {
    bodies.push(message.content.byteLength)
  }
  if (bodies.length !== 1000) throw new Error(`There were ${bodies.length} messages, not 1000: ${error}`)
  await producer.close()
  await connection.close()
  return {
    what: 'body of a partition with a source class, at most',
    value: `${Math.max(...bodies)} bytes`,
    ratio: Math.max(...bodies) / BYTES_TARGET,
    target: 1,
  }
}

/** The queue of those tasks: a worker of the same file and namespace says it. */
async function queueOf(url: string): Promise<string> {
  const { startWorker } = await import('@pymar/core')
  const worker = await startWorker(fileOf('tiny/job.mjs'), { queue: url, namespace, slots: 1 })
  await worker.close()
  return (worker.served[0]?.queue ?? '').replace(namespace, `${namespace}-bytes`)
}

async function starts(url: string, quick: boolean): Promise<Row[]> {
  const start = async (file: string) => {
    const worker = await RunningWorker.start(fileOf(file), url, namespace)
    // Its end is part of neither.
    ending.push(worker.end())
  }
  const ending: Promise<void>[] = []
  const [bare = [], mjs = [], ts = []] = await interleave(
    [
      { name: 'node', run: () => run(process.execPath, ['-e', '0'], { env: { PATH: process.env['PATH'] ?? '' } }) },
      { name: 'mjs', run: () => start('integration/job.mjs') },
      { name: 'ts', run: () => start('integration/job.ts') },
    ],
    quick ? { warmups: 1, measured: 5 } : { warmups: 1, measured: 11 },
  )
  await Promise.all(ending)
  return [
    { what: 'node -e 0', value: ms(median(bare)) },
    { what: 'pymar-worker job.mjs -w 2, from its start to ready', value: ms(median(mjs)), ratio: ratio(mjs, bare) },
    { what: 'pymar-worker job.ts -w 2, from its start to ready', value: ms(median(ts)), ratio: ratio(ts, bare) },
  ]
}
