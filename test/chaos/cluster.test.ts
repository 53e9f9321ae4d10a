// Queues with replicas, in a cluster of three brokers that loses one.
import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import { namespace, startWorker } from '../amqp/workers.ts'
import type { RabbitNode } from '../servers/rabbitmq.ts'
import { makeTemporaryFolder } from '../servers/temporary-folder.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { noBroker, ownNode } from './own-node.ts'
import { answer, CHAOS, row, start } from './row.ts'

const { signal } = new AbortController()

describe('a cluster of three', { skip: noBroker }, () => {
  const nodes: RabbitNode[] = []
  const folders = [makeTemporaryFolder('pymar-cluster'), makeTemporaryFolder('pymar-cluster')]
  // Before the node that they need.
  after(async () => {
    for (const node of nodes) if (node !== own.node) await node.stop()
    for (const folder of folders) folder.remove()
  })
  const own = ownNode()
  before(async () => {
    for (const { path } of folders) nodes.push(await own.node.startNext(path, signal))
    nodes.push(own.node)
  })

  for (const [which, at] of [
    ['one', 0],
    ['another', 1],
  ] as const) {
    row(`broker in a cluster killed, ${which} of three: the job goes on over the others`, {}, async (next, t) => {
      const [lost, other] = [nodes[at], nodes[at + 1]] as [RabbitNode, RabbitNode]
      const proxy = await TcpProxy.open(lost.url)
      t.after(() => proxy.close())
      const worker = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-q', proxy.url)
      const job = start({ items: 200, ms: 10 }, { queue: proxy.url, namespace, quorum: true })
      const enough = 1 + Math.floor(20 * next())
      let done = 0
      for await (const _ of job.partials()) {
        if (++done !== enough) continue
        proxy.target = new URL(other.url)
        await lost.down('kill')
      }
      assert.equal(await job, await answer(200))
      assert.ok(done >= enough)
      assert.equal(await worker.end(), 0)
      await lost.up(signal)
    })
  }
})
