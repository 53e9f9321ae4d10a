// The fault table: what becomes of jobs when something befalls the broker, one of this file's own.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect } from 'amqplib'
import { namespace, type RunningWorker, startWorker } from '../amqp/workers.ts'
import { SlowReduce } from '../jobs/chaos.mjs'
import { Long } from '../jobs/long.mjs'
import { TcpProxy } from '../tcp-proxy.ts'
import { ACK_TIMEOUT_MS, noBroker, ownNode } from './own-node.ts'
import { answer, CHAOS, marks, row, start } from './row.ts'

const LONG = fileURLToPath(new URL('../jobs/long.mjs', import.meta.url))

describe('a broker of our own', { skip: noBroker }, () => {
  const own = ownNode()
  const options = () => ({ queue: own.node.url, namespace })
  const worker = (...args: readonly string[]) => startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-q', own.node.url, ...args)
  const taskQueue = ({ said }: RunningWorker) => `pymar.1.${namespace}.Chaos.${/fingerprint (\w+)/.exec(said())?.[1]}`

  /** A job in whose middle something happens, with a worker that is of use afterwards. */
  async function inTheMiddle(next: () => number, happen: (of: RunningWorker) => Promise<void>) {
    const one = await worker()
    const job = start({ items: 120, ms: 5 }, options())
    for await (const _ of job.partials()) if (next() < 0.2) break
    await happen(one)
    assert.equal(await job, await answer(120))
    assert.equal(await start({ items: 40 }, options()), await answer(40))
    assert.equal(await one.end(), 0)
  }

  for (const how of ['stop', 'kill'] as const) {
    row(`broker restarted before publishing: ${how}`, {}, async () => {
      const job = start({ items: 40 }, options())
      const restarted = own.restart(how)
      assert.equal(await Promise.all([worker(), job]).then(async ([one, result]) => (await one.end()) === 0 && result), await answer(40))
      await restarted
    })

    row(`broker restarted while tasks wait: ${how}`, {}, async () => {
      const job = start({ items: 120 }, options())
      while (!(await own.node.ask('list_queues', 'messages', 'name')).some((line) => /^[1-9]\d*\t.*Chaos/.test(line)));
      await own.restart(how)
      const one = await worker()
      assert.equal(await job, await answer(120))
      assert.equal(await one.end(), 0)
    })

    row(`broker restarted in the middle: ${how}`, {}, (next) => inTheMiddle(next, () => own.restart(how)))

    row(`broker restarted at the last reply: ${how}`, {}, async (_, t) => {
      const proxy = await TcpProxy.open(own.node.url)
      t.after(() => proxy.close())
      const one = await worker()
      const job = start({ items: 40, ms: 1 }, { queue: proxy.url, namespace })
      let [replies, restarted] = [0, Promise.resolve()]
      // The last of them does not arrive.
      proxy.watch = (direction, bytes) => {
        if (direction === 'down') replies += bytes.toString('latin1').split('"type":"partial"').length - 1
        if (replies < 40) return true
        if (replies < 1000) restarted = own.restart(how)
        replies = 1000
        proxy.cut()
        proxy.watch = () => true
        return false
      }
      assert.equal(await job, await answer(40))
      assert.equal(replies, 1000)
      await restarted
      assert.equal(await one.end(), 0)
    })
  }

  row('broker application stopped and started (stop_app)', {}, (next) =>
    inTheMiddle(next, async () => {
      await own.node.tell('stop_app')
      await own.node.tell('start_app')
    }),
  )

  row('broker down for longer than brokerTimeoutMs: BROKER; what is done so far is in the checkpoint', {}, async (_, t) => {
    const mark = marks(t)
    const checkpoint = join(mark.folder, 'checkpoint')
    const params = { items: 40, ms: 20, mark: mark.path }
    const one = await worker()
    const job = start(params, { ...options(), brokerTimeoutMs: 3000, checkpoint })
    let done = 0
    const failed = assert.rejects(job, { code: 'BROKER', message: /Cannot connect to broker .*for 3000 ms/ })
    try {
      for await (const _ of job.partials()) if (++done === 10) await own.node.down('kill')
    } catch {
      // The job's own error.
    }
    await failed
    await own.up()
    assert.equal(await start(params, { ...options(), checkpoint }), await answer(40))
    // None of those that counted was computed a second time.
    const twice = new Map<number, number>()
    for (const [index] of mark.all()) twice.set(index, (twice.get(index) ?? 0) + 1)
    assert.ok([...twice.values()].filter((times) => times === 1).length >= done, `${done} were done`)
    assert.equal(await one.end(), 0)
  })

  for (const [alarm, on, off] of [
    ['memory', ['set_vm_memory_high_watermark', '0.000001'], ['set_vm_memory_high_watermark', '0.4']],
    ['disk', ['set_disk_free_limit', '100000GB'], ['set_disk_free_limit', '50MB']],
  ] as const) {
    row(`broker in ${alarm} alarm: goes on when it is over; BROKER if that is not within brokerTimeoutMs`, {}, async (next) => {
      try {
        await inTheMiddle(next, async () => {
          await own.node.tell(...on)
          await sleep(1500)
          await own.node.tell(...off)
        })
        await own.node.tell(...on)
        const began = performance.now()
        await assert.rejects(start({ items: 40 }, { ...options(), brokerTimeoutMs: 3000 }), {
          code: 'BROKER',
          message: new RegExp(`Cannot publish to broker .*: it takes nothing \\(.*${alarm}.*\\), for 3000 ms; make room`),
        })
        assert.ok(performance.now() - began < 8000)
      } finally {
        await own.node.tell(...off)
      }
      const one = await worker()
      assert.equal(await start({ items: 40 }, options()), await answer(40))
      assert.equal(await one.end(), 0)
    })
  }

  row('queues with replicas: tasks outlive a broker that is killed, and workers find them, whoever is first', {}, async () => {
    const early = await worker()
    assert.equal(await start({ items: 40 }, { ...options(), quorum: true }), await answer(40))
    assert.equal(await early.end(), 0)
    const job = start({ items: 120, ms: 5 }, { ...options(), quorum: true })
    const late = await worker()
    for await (const _ of job.partials()) break
    await own.restart('kill')
    assert.equal(await job, await answer(120))
    // The other kind is served beside it.
    assert.equal(await start({ items: 40 }, options()), await answer(40))
    assert.equal(await late.end(), 0)
    const kinds = (await own.node.ask('list_queues', 'name', 'type')).flatMap(
      (line) => /\.Chaos\.\w+(\.quorum)?\t(\w+)$/.exec(line)?.[0] ?? [],
    )
    assert.equal(kinds.length, 2)
    for (const kind of kinds) assert.equal(kind.endsWith('quorum'), kind.includes('.quorum'))
  })

  for (const [what, happen] of [
    ['queue purged', (channel, queue) => channel.purgeQueue(queue)],
    ['queue deleted', (channel, queue) => channel.deleteQueue(queue)],
    ['the queue of replies deleted', (channel) => deleteAll(channel, /\.reply\./)],
    ["a worker's own queue deleted", (channel) => deleteAll(channel, /\.worker\./)],
    ['exchange deleted', (channel) => channel.deleteExchange('amq.direct').catch(() => {})],
  ] as const satisfies readonly (readonly [string, (channel: Channel, queue: string) => Promise<unknown>])[]) {
    row(`${what} in the middle`, {}, async (next) => {
      const model = await connect(own.node.url, { noDelay: true })
      model.on('error', () => {})
      const channel = await model.createChannel()
      // What it may not do closes it.
      channel.on('error', () => {})
      await inTheMiddle(next, async (one) => void (await happen(channel, taskQueue(one))))
      await model.close()
    })
  }

  type Channel = Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createChannel']>>

  async function deleteAll(channel: Channel, which: RegExp) {
    const queues = (await own.node.ask('list_queues', 'name')).filter((name) => which.test(name))
    assert.ok(queues.length > 0)
    for (const queue of queues) await channel.deleteQueue(queue)
  }

  row('channel closed by the ack timeout: the partition goes on where it is, once', {}, async () => {
    const one = await startWorker(LONG, '-w', '2', '-q', own.node.url, '-v')
    assert.equal(await Long.map([5002], { ...options(), timeoutMs: 60_000 }), '5002 in attempt 1')
    assert.equal(await one.end(), 0)
    assert.match(one.said(), /takes partition 0 .*connection to the broker is lost.*takes partition 0 /s)
    assert.equal(one.said().split('waits 5002 ms').length - 1, 1)
  })

  row('user code longer than heartbeat and ack timeout: no connection is lost by it, nothing is done twice', {}, async (_, t) => {
    const mark = marks(t)
    const url = `${own.node.url}/?heartbeat=1`
    const one = await startWorker(CHAOS, '-w', '2', '-q', url, '-v', '--ack-timeout', String(ACK_TIMEOUT_MS))
    const long = 3 * ACK_TIMEOUT_MS
    assert.equal(await start({ items: 2, ms: long, mark: mark.path }, { queue: url, namespace }), await answer(2))
    assert.deepEqual(
      mark
        .all()
        .map(([index, attempt]) => `${index} ${attempt}`)
        .sort(),
      ['0 1', '1 1'],
    )
    // The last reduceFn runs in a slot of this process's machine.
    assert.equal(await SlowReduce.map([1, 2, 3, long], { queue: url, namespace, timeoutMs: 60_000 }), long)
    assert.equal(await one.end(), 0)
    assert.match(one.said(), /acknowledges 1 partition early/)
    assert.doesNotMatch(one.said(), /lost/)
  })

  row('has nothing left of all that but queues that end by themselves', {}, async () => {
    const queues = await own.node.ask('list_queues', 'name', 'arguments')
    for (const line of queues) assert.match(line, /^pymar\.1\.\S+\t\[.*\{"x-expires", ?\d+\}.*\]$/)
    assert.deepEqual(
      queues.filter((line) => /\.worker\./.test(line)),
      [],
    )
  })
})
