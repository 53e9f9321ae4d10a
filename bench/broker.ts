import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startWorker } from '@pymar/core'
import { connect } from 'amqplib'
import { PingPong } from './broker/ping-pong.ts'
import { RunningWorker } from './broker/running-worker.ts'
import { Integral } from './integration/job.mjs'
import { interleave, median, ratio } from './measure.ts'
import { mib, ms, perSecond, type Row } from './table.ts'
import { expected, Tiny, Total } from './tiny/job.mjs'
import { besideThreads, POINTS } from './warm.ts'

const run = promisify(execFile)
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
    ...(await many(url, quick)),
    await bytes(url),
    ...(await starts(url, quick)),
  ]
}

async function integration(url: string, quick: boolean): Promise<Row[]> {
  const worker = await RunningWorker.start(fileOf('integration/job.mjs'), url, namespace)
  const { peer, own } = await besideThreads(new Integral({ queue: url, namespace }), quick)
  await worker.end()
  return [
    { what: `worker_threads by hand, 2 warm threads, ${POINTS}, again`, value: ms(median(peer)) },
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

/** What a job of many partitions leaves in the broker and in its producer at once. */
async function many(url: string, quick: boolean): Promise<Row[]> {
  const worker = await RunningWorker.start(fileOf('tiny/job.mjs'), url, namespace)
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createChannel()
  const queue = await queueOf(url, namespace)
  const partitions = quick ? 1e5 : 1e6
  let deepest = 0
  const looking = setInterval(() => {
    void channel.checkQueue(queue).then(({ messageCount }) => {
      deepest = Math.max(deepest, messageCount)
    })
  }, 50)
  const probe = fileOf('tiny/probe.mjs')
  const { stdout } = await run(process.execPath, ['--expose-gc', probe, String(partitions), '1', url, namespace])
  clearInterval(looking)
  await connection.close()
  await worker.end()
  const what = `10^${Math.log10(partitions)} partitions over RabbitMQ`
  return [
    { what: `${what}: messages in their queue, at most`, value: String(deepest) },
    { what: `${what}: producer's heap in use during the job, at most`, value: mib(JSON.parse(stdout).live) },
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
  const queue = await queueOf(url, `${namespace}-bytes`)
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

/** The queue of the tiny partitions: a worker says it. */
async function queueOf(url: string, of: string): Promise<string> {
  const worker = await startWorker(fileOf('tiny/job.mjs'), { queue: url, namespace: `${namespace}-asked`, slots: 1 })
  await worker.close()
  return (worker.served[0]?.queue ?? '').replace(`${namespace}-asked`, of)
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
