// needs: amqp
// The fault table: producers that die, jobs that might meet, and programs that are not of one version.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DataSourceFactory } from '@pymar/core'
import { connect, type Message } from 'amqplib'
import { encode } from '../../packages/core/dist/wire/codec.js'
import { pack } from '../../packages/core/dist/wire/frame.js'
import { namespace, startWorker } from '../amqp/workers.ts'
import { Chaos, Script, SlowReduce } from '../jobs/chaos.mjs'
import { start as startNode, until } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { answer, CHAOS, marks, row, start } from './row.ts'

const amqp = needs('amqp')
const broker = () => ({ queue: serverUrl('amqp'), namespace })

row('producer killed: workers drop the job within seconds and are free', amqp, async (_, t) => {
  const mark = marks(t)
  const worker = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-v')
  const { child, ended } = startScript({ items: 1000, ms: 200, mark: mark.path })
  await until('it computes', () => mark.all().length > 2, 20_000)
  child.kill('SIGKILL')
  await ended
  const began = performance.now()
  await until('it drops them', () => /drops what/.test(worker.said()), 10_000)
  assert.equal(await start({ items: 40 }, broker()), await answer(40))
  assert.ok(performance.now() - began < 30_000)
  const { length } = mark.all()
  await sleep(500)
  assert.equal(mark.all().length, length, 'nothing of it is computed any more')
  assert.equal(await worker.end(), 0)
})

row('two producers, one job file, interleaved; 50 jobs at once: no cross-talk', amqp, async (next) => {
  const workers = await Promise.all([1, 2].map(() => startWorker(CHAOS, '-w', '1', '-p', 'Chaos', '-p', 'SlowReduce')))
  await using producer = new Chaos(broker())
  const jobs = Array.from({ length: 50 }, async (_, i) => {
    const items = 1 + Math.floor(next() * 60)
    if (i % 3 === 0)
      return assert.equal(
        await SlowReduce.map(
          Array.from({ length: items }, (_, n) => n % 7),
          broker(),
        ),
        Math.min(6, items - 1),
      )
    if (i % 3 === 1) return assert.equal(await producer.map(new DataSourceFactory(Script, { params: { items } })), await answer(items))
    // Some of them fail, and that is nobody else's.
    return assert.rejects(start({ items, deed: 'throw', at: items - 1 }, broker()), { code: 'USER_ERROR' })
  })
  await Promise.all(jobs)
  for (const worker of workers) assert.equal(await worker.end(), 0)
})

row('two producers with long tasks on one slot: neither waits until the other is done', amqp, async () => {
  const worker = await startWorker(CHAOS, '-w', '1', '-p', 'Chaos', '-p', 'SlowReduce')
  const long = start({ items: 1200, ms: 5 }, broker())
  for await (const _ of long.partials()) break
  let done = 0
  const counted = (async () => {
    for await (const _ of long.partials()) done++
  })()
  assert.equal(await SlowReduce.map([0, 0, 0, 0], broker()), 0)
  assert.ok(done < 30, `${done} of 40 partitions were done before the other job`)
  await Promise.all([counted, assert.doesNotReject(long)])
  assert.equal(await worker.end(), 0)
})

row('a queue that the broker does not let us have: BROKER, and other jobs go on', amqp, async () => {
  const worker = await startWorker(CHAOS, '-w', '1', '-p', 'Chaos')
  const fingerprint = /fingerprint (\w+)/.exec(worker.said())?.[1]
  const model = await connect(serverUrl('amqp'), { noDelay: true })
  const channel = await model.createChannel()
  const queue = `pymar.1.${namespace}-other.Chaos.${fingerprint}`
  await channel.assertQueue(queue, { durable: true, expires: 60_000, messageTtl: 1 })
  await using producer = new Chaos({ ...broker() })
  const good = producer.map(new DataSourceFactory(Script, { params: { items: 200, ms: 5 } }))
  // At once: not after this time, as where a machine of a cluster is away.
  const denied = start({ items: 40 }, { ...broker(), namespace: `${namespace}-other`, brokerTimeoutMs: 600_000 })
  await assert.rejects(denied, { code: 'BROKER', message: /Cannot declare queue pymar\.1\..*PRECONDITION.*namespace/ })
  assert.equal(await good, await answer(200))
  await channel.deleteQueue(queue)
  await model.close()
  assert.equal(await worker.end(), 0)
})

row('version skew: the task never reaches a worker with another job file, and both sides say why', amqp, async (_, t) => {
  const copy = join(dirname(CHAOS), `skewed-${process.pid}.mjs`)
  writeFileSync(copy, `${readFileSync(CHAOS, 'utf8')}\n// changed\n`)
  t.after(() => rmSync(copy))
  const mark = marks(t)
  const worker = await startWorker(copy, '-w', '1', '-p', 'Chaos', '-v')
  await assert.rejects(start({ items: 4, mark: mark.path }, { ...broker(), workerTimeoutMs: 3000 }), (error: Error & { code: string }) => {
    assert.equal(error.code, 'NO_WORKERS')
    assert.match(error.message, /runs other code \(.* has fingerprint \w+, this script \w+\)/)
    return true
  })
  assert.match(worker.said(), /fingerprint \w+/)
  assert.deepEqual(mark.all(), [])
  assert.equal(await worker.end(), 0)
})

row('version skew: the task never reaches a worker of another protocol, and both sides say why', amqp, async (_, t) => {
  const worker = await startWorker(CHAOS, '-w', '1', '-p', 'Chaos')
  const model = await connect(serverUrl('amqp'), { noDelay: true })
  t.after(() => model.close())
  const channel = await model.createChannel()
  const { queue } = await channel.assertQueue('', { exclusive: true })
  const key = `pymar.hello.${namespace}.Chaos`
  // A script of another version looks for workers.
  const heard = new Promise<{ protocol: number }>((resolve) => {
    void channel.consume(queue, (message) => message && resolve(JSON.parse(message.content.toString())), { noAck: true })
  })
  channel.publish('amq.direct', key, Buffer.from('{"protocol":99,"more":[]}'), { type: 'pymar.hello', replyTo: queue })
  assert.equal((await heard).protocol, 1)
  await until('the worker says why', () => /another version of @pymar\/core \(it speaks protocol 99, this worker 1\)/.test(worker.said()))
  assert.equal(await worker.end(), 0)
  // A worker of another version hears of a script.
  const other = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(other.queue, 'amq.direct', key)
  await channel.consume(
    other.queue,
    (message) => {
      channel.sendToQueue(String(message?.properties.replyTo), Buffer.from('{"protocol":99}'), { type: 'pymar.hello', appId: 'host:7:x' })
    },
    { noAck: true },
  )
  await assert.rejects(start({ items: 4 }, { ...broker(), workerTimeoutMs: 3000 }), {
    code: 'NO_WORKERS',
    message: /another version of @pymar\/core \(host:7:x speaks protocol 99, this script 1\): install the same on both sides/,
  })
})

row(
  'clock jumps, duplicate and reordered deliveries, replies of an earlier job: ignored by index, epoch and job',
  amqp,
  async (next, t) => {
    const model = await connect(serverUrl('amqp'), { noDelay: true })
    t.after(() => model.close())
    const channel = await model.createChannel()
    // Time goes hours forth and back, for the script, workers and slots.
    const RealDate = Date
    const jump = () => RealDate.now() + (next() - 0.5) * 1e8
    t.mock.method(Date, 'now', jump)
    const jumps = 'data:text/javascript,const%20now=Date.now;Date.now=()=>now()+(Math.random()-0.5)*1e8'
    process.env['NODE_OPTIONS'] = `--import=${jumps}`
    t.after(() => {
      delete process.env['NODE_OPTIONS']
    })
    const worker = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos')
    const queue = `pymar.1.${namespace}.Chaos.${/fingerprint (\w+)/.exec(worker.said())?.[1]}`
    const earlier = start({ items: 40 }, broker())
    assert.equal(await earlier, await answer(40))
    worker.child.kill('SIGSTOP')
    const job = start({ items: 40, ms: 5 }, broker())
    const late = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos')
    let counted = 0
    for await (const _ of job.partials()) {
      if (++counted !== 1) continue
      worker.child.kill('SIGCONT')
      const tasks: Message[] = []
      for (let task = await channel.get(queue, { noAck: true }); task; task = await channel.get(queue, { noAck: true })) tasks.push(task)
      for (const { content, properties } of [...tasks.reverse(), ...tasks]) channel.sendToQueue(queue, content, properties)
      // A worker that was stopped answers for a job that is over, and says again what it has said.
      const replyTo = tasks[0]?.properties.replyTo ?? `pymar.1.${namespace}.reply.none`
      for (const id of [earlier.id, 'never-was']) {
        const message = { type: 'partial', job: id, index: 0, attempt: 1, ms: 1 } as const
        channel.sendToQueue(replyTo, pack([{ message, payload: encode(1e9, 'a partial') }]), { appId: 'host:7:x' })
      }
      for (const type of ['lost', 'failed', 'returned']) {
        const message = { type, job: job.id, index: 0, attempt: 7, pid: 1, exit: 'x', code: 'USER_ERROR' }
        channel.sendToQueue(replyTo, pack([{ message, payload: encode({}, 'an error') } as never]), { appId: 'host:7:x' })
      }
    }
    assert.equal(await job, await answer(40))
    assert.equal(counted, 40)
    for (const one of [worker, late]) assert.equal(await one.end(), 0)
  },
)

row('job file changed under a running worker: named; a slot that would load other code refuses', amqp, async (_, t) => {
  const copy = join(dirname(CHAOS), `changed-${process.pid}.mjs`)
  cpSync(CHAOS, copy)
  t.after(() => rmSync(copy))
  const worker = await startWorker(copy, '-w', '1', '-p', 'Chaos')
  writeFileSync(copy, readFileSync(CHAOS, 'utf8').replace('Math.sin', 'Math.cos'))
  const job = start({ items: 4, ms: 300, deed: 'kill', at: 1, times: 1, mark: marks(t).path }, broker())
  await until('it leaves', () => worker.child.exitCode !== null, 20_000)
  assert.equal(await worker.end(), 1)
  assert.match(worker.said(), /leaves: .*changed/s)
  const good = await startWorker(CHAOS, '-w', '1', '-p', 'Chaos')
  assert.equal(await job, await answer(4))
  assert.equal(await good.end(), 0)
})

/** A producer in a process of its own. */
function startScript(params: object, options: object = {}) {
  const env = { PYMAR_QUEUE: serverUrl('amqp'), PYMAR_TEST_NAMESPACE: namespace }
  return startNode(['chaos.mjs', JSON.stringify(params), JSON.stringify(options)], env)
}
