// Queues with replicas that are there, and give nothing, or do not answer.
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { DataSourceFactory } from '@pymar/core'
import { connect } from 'amqplib'
import { namespace, startWorker } from '../amqp/workers.ts'
import { Chaos, Script } from '../jobs/chaos.mjs'
import { until } from '../processes.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { noBroker, ownNode } from './own-node.ts'
import { answer, CHAOS, row, start } from './row.ts'

/** Ends what there is of queue `Q`, and not the queue. */
const FORCE_DELETE = '{Name, _} = amqqueue:get_pid(Q), ra:force_delete_server(quorum_queues, {Name, node()}).'

/** From now on nobody who consumes anything now gets anything, though the connection is there. */
const SUSPEND_CONSUMERS =
  '[sys:suspend(P) || P <- rabbit_channel:list(), [{consumer_count, N}] <- [rabbit_channel:info(P, [consumer_count])], N > 0].'

describe('queues with replicas', { skip: noBroker }, () => {
  const own = ownNode()

  // As they are for RabbitMQ that cannot recover one: it closes the connection of whoever consumes it.
  for (const [what, which] of [
    ['tasks', /\.Chaos\..*\.quorum$/],
    ['answers', /\.reply\..*\.quorum$/],
  ] as const) {
    row(`queues with replicas whose processes are gone: that of ${what} is deleted, and declared anew`, {}, async (_, t) => {
      const ours = `${namespace}-${what}`
      const proxy = await TcpProxy.open(own.node.url)
      t.after(() => proxy.close())
      const job = start({ items: 120 }, { queue: proxy.url, namespace: ours, quorum: true })
      const isThere = async () => (await own.node.ask('list_queues', 'name')).some((name) => name.includes(ours) && which.test(name))
      await until('there is the queue', isThere, 20_000)
      await forceDelete(ours, which)
      proxy.cut()
      const starting = [1, 2, 3, 4].map(() => startWorker(CHAOS, '-w', '1', '-p', 'Chaos', '-q', proxy.url, '--namespace', ours))
      assert.equal(await job, await answer(120))
      const workers = await Promise.all(starting)
      // Whoever does it twice deletes what was declared since.
      const deletions = workers.flatMap((worker) => worker.said().match(/was deleted to be declared anew/g) ?? [])
      assert.equal(deletions.length, what === 'tasks' ? 1 : 0)
      for (const worker of workers) assert.equal(await worker.end(), 0)
    })
  }

  row(
    'queues with replicas whose processes are gone, in the middle: what a worker has goes on, and the rest is sent again',
    {},
    async (_, t) => {
      const ours = `${namespace}-middle`
      const proxy = await TcpProxy.open(own.node.url)
      t.after(() => proxy.close())
      const one = await startWorker(CHAOS, '-w', '1', '-p', 'Chaos', '-q', proxy.url, '--namespace', ours)
      const job = start({ items: 200, ms: 100 }, { queue: proxy.url, namespace: ours, quorum: true })
      for await (const _ of job.partials()) break
      for (const which of [/\.Chaos\..*\.quorum$/, /\.reply\..*\.quorum$/]) await forceDelete(ours, which)
      proxy.cut()
      assert.equal(await job, await answer(200))
      assert.equal(await one.end(), 0)
    },
  )

  row('queues with replicas that give a worker nothing: it connects again', {}, async () => {
    const ours = `${namespace}-starved`
    const one = await startWorker(CHAOS, '-w', '1', '-p', 'Chaos', '-q', own.node.url, '--namespace', ours, '-v')
    const before = new Chaos({ queue: own.node.url, namespace: ours, quorum: true })
    assert.equal(await before.map(new DataSourceFactory(Script, { params: { items: 20 } })), await answer(20))
    await before.close()
    await own.node.tell('eval', SUSPEND_CONSUMERS)
    assert.equal(await start({ items: 200 }, { queue: own.node.url, namespace: ours, quorum: true }), await answer(200))
    assert.match(one.said(), /has tasks and gives none/)
    assert.equal(await one.end(), 0)
  })

  row(
    'queues with replicas whose processes are gone, and whoever was to delete one died before: another one does it later',
    {},
    async (_, t) => {
      const ours = `${namespace}-dead`
      const proxy = await TcpProxy.open(own.node.url)
      t.after(() => proxy.close())
      const one = await startWorker(CHAOS, '-w', '1', '-p', 'Chaos', '-q', proxy.url, '--namespace', ours)
      const job = start({ items: 200, ms: 100 }, { queue: proxy.url, namespace: ours, quorum: true })
      for await (const _ of job.partials()) break
      const queue = await forceDelete(ours, /\.Chaos\..*\.quorum$/)
      const model = await connect(own.node.url, { noDelay: true })
      t.after(() => model.close())
      const channel = await model.createChannel()
      const declared = performance.now()
      await channel.assertQueue(`${queue}.deleted`, { durable: true, expires: 15_000 })
      proxy.cut()
      await until('it is deleted', () => one.said().includes('was deleted to be declared anew'), 60_000)
      assert.ok(performance.now() - declared > 15_000, 'somebody else has said that he does it')
      assert.equal(await job, await answer(200))
      assert.equal(await one.end(), 0)
    },
  )

  async function forceDelete(ours: string, which: RegExp) {
    const queue = await own.queueOf(ours, which)
    await own.node.tell('eval', `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)), ${FORCE_DELETE}`)
    return queue
  }
})
