// The fault table: what becomes of jobs when something befalls the broker, one of this file's own, while it runs.
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { connect } from 'amqplib'
import { namespace, type RunningWorker, startWorker } from '../amqp/workers.ts'
import { Chaos } from '../jobs/chaos.mjs'
import { until } from '../processes.ts'
import { noBroker, ownNode } from './own-node.ts'
import { answer, CHAOS, inTheMiddle, row, start } from './row.ts'

describe('a broker of our own', { skip: noBroker }, () => {
  const own = ownNode()
  const options = () => ({ queue: own.node.url, namespace })
  const worker = (...args: readonly string[]) => startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-q', own.node.url, ...args)
  const taskQueue = ({ said }: RunningWorker) => `pymar.1.${namespace}.Chaos.${/fingerprint (\w+)/.exec(said())?.[1]}`

  const isBlocked = async () => (await own.node.ask('list_connections', 'state')).includes('blocked')

  for (const [alarm, on, off] of [
    ['memory', ['set_vm_memory_high_watermark', '0.000001'], ['set_vm_memory_high_watermark', '0.4']],
    ['disk', ['set_disk_free_limit', '100000GB'], ['set_disk_free_limit', '50MB']],
  ] as const) {
    row(`broker in ${alarm} alarm: goes on when it is over; BROKER if that is not within brokerTimeoutMs`, {}, async (next, t) => {
      try {
        await inTheMiddle({ queue: own.node.url, next, t }, async (_, goOn) => {
          await own.node.tell(...on)
          // Now there is something to say. A broker tells a connection that it is blocked when that publishes.
          goOn()
          await until('a connection is blocked', isBlocked, 20_000)
          await own.node.tell(...off)
        })
        await own.node.tell(...on)
        const began = performance.now()
        await assert.rejects(start({ items: 40 }, { ...options(), brokerTimeoutMs: 3000 }), {
          code: 'BROKER',
          message: new RegExp(`Cannot publish to broker .*: it takes nothing \\(.*${alarm}.*\\), for 3000 ms; make room`),
        })
        assert.ok(performance.now() - began < 20_000)
      } finally {
        await own.node.tell(...off)
      }
      const one = await worker()
      assert.equal(await start({ items: 40 }, options()), await answer(40))
      assert.equal(await one.end(), 0)
    })
  }

  row(
    'broker in memory alarm: a worker that is to end does, after its grace time, and what it held is computed elsewhere',
    {},
    async () => {
      const one = await worker()
      // A broker tells a connection that it is blocked when that publishes: there must be something to say until the alarm is there.
      const job = start({ items: 1600, ms: 20 }, { ...options(), brokerTimeoutMs: 110_000 })
      try {
        for await (const _ of job.partials()) break
        await own.node.tell('set_vm_memory_high_watermark', '0.000001')
        await until('a connection is blocked', isBlocked, 20_000)
        const began = performance.now()
        assert.equal(await one.end(), 0)
        assert.ok(performance.now() - began < 60_000, 'it waits for 30 s, and not for the broker')
      } finally {
        await own.node.tell('set_vm_memory_high_watermark', '0.4')
      }
      const other = await worker()
      assert.equal(await job, await answer(1600))
      assert.equal(await other.end(), 0)
    },
  )

  for (const [what, happen] of [
    ['queue purged', (channel, queue) => channel.purgeQueue(queue)],
    ['queue deleted', (channel, queue) => channel.deleteQueue(queue)],
    ['the queue of replies deleted', (channel) => deleteAll(channel, /\.reply\./)],
    ["a worker's own queue deleted", (channel) => deleteAll(channel, /\.worker\./)],
    ['exchange deleted', (channel) => channel.deleteExchange('amq.direct').catch(() => {})],
  ] as const satisfies readonly (readonly [string, (channel: Channel, queue: string) => Promise<unknown>])[]) {
    row(`${what} in the middle`, {}, async (next, t) => {
      const model = await connect(own.node.url, { noDelay: true })
      model.on('error', () => {})
      const channel = await model.createChannel()
      // What it may not do closes it.
      channel.on('error', () => {})
      await inTheMiddle({ queue: own.node.url, next, t }, async (one) => void (await happen(channel, taskQueue(one))))
      await model.close()
    })
  }

  type Channel = Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createChannel']>>

  async function deleteAll(channel: Channel, which: RegExp) {
    const queues = (await own.node.ask('list_queues', 'name')).filter((name) => which.test(name))
    assert.ok(queues.length > 0)
    for (const queue of queues) await channel.deleteQueue(queue)
  }

  row('has nothing left of all that but queues that end by themselves', {}, async () => {
    const apart = { queue: own.node.url, namespace: 'left' }
    const one = await startWorker(CHAOS, '-w', '1', '-q', own.node.url, '--namespace', 'left')
    assert.equal(await start({ items: 40 }, apart), await answer(40))
    await using producer = new Chaos({ queue: own.node.url, namespace: 'closed', workerTimeoutMs: 100 })
    await assert.rejects(producer.map([1, 2]), { code: 'NO_WORKERS' })
    await producer.close()
    assert.equal(await one.end(), 0)
    const queues = await own.node.ask('list_queues', 'name', 'messages', 'durable', 'arguments')
    for (const line of queues) assert.match(line, /^pymar\.1\.\S+\t\d+\ttrue\t\[.*\{"x-expires", ?(60000|1800000)\}.*\]$/)
    // A reply queue ends a minute after its process, a task queue half an hour after the last worker, and a worker takes its own along.
    const kinds = queues.flatMap((line) => /^pymar\.1\.(left|closed)\.(\w+)\./.exec(line)?.slice(1).join(' ') ?? [])
    assert.deepEqual(kinds.sort(), ['closed Chaos', 'left Chaos', 'left SlowReduce', 'left reply'])
    const exchanges = await own.node.ask('list_exchanges', 'name')
    assert.deepEqual(
      exchanges.filter((name) => name !== '' && !name.startsWith('amq.')),
      [],
    )
  })
})
