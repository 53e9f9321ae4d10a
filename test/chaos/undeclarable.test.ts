// Queues with replicas whose names the broker cannot use.
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DataSourceFactory } from '@pymar/core'
import { namespace, startWorker } from '../amqp/workers.ts'
import { Busy, Items } from '../jobs/busy.mjs'
import { noBroker, ownNode } from './own-node.ts'
import { answer, CHAOS, row, start } from './row.ts'

const BUSY = fileURLToPath(new URL('../jobs/busy.mjs', import.meta.url))

/** A process that answers, as one does that was left behind, and is of no use. */
const REFUSING = "fun Loop() -> receive {'$gen_call', From, _} -> gen_server:reply(From, {error, shutdown}); _ -> ok end, Loop() end"

describe('queues with replicas that cannot be declared', { skip: noBroker }, () => {
  const own = ownNode()

  row('a queue with replicas that the broker cannot declare: `BROKER`, and workers have other queues', {}, async () => {
    const ours = `${namespace}-undeclarable`
    const options = { queue: own.node.url, namespace: ours }
    const one = await startWorker(CHAOS, '-w', '1', '-p', 'Chaos', '-q', own.node.url, '--namespace', ours)
    await occupy(`${await own.queueOf(ours, /\.Chaos\./)}.quorum`)
    const job = start({ items: 20 }, { ...options, quorum: true, brokerTimeoutMs: 3000 })
    await assert.rejects(job, {
      code: 'BROKER',
      message: /Cannot declare queue .*\.quorum on broker .*: the connection is lost each time/,
    })
    assert.equal(await start({ items: 120, ms: 20 }, options), await answer(120))
    assert.equal(await one.end(), 0)
  })

  row('a queue with replicas that the broker cannot declare: other jobs of that process go on', {}, async () => {
    const ours = `${namespace}-beside`
    const options = { queue: own.node.url, namespace: ours, quorum: true, brokerTimeoutMs: 3000 }
    const serve = ['-w', '1', '-q', own.node.url, '--namespace', ours]
    const other = await startWorker(BUSY, ...serve, '-p', 'Busy')
    await occupy(`${await own.queueOf(ours, /\.Busy\./)}.quorum`)
    await other.end()
    const one = await startWorker(CHAOS, ...serve, '-p', 'Chaos')
    const failing = Busy.map(new DataSourceFactory(Items), options)
    const job = start({ items: 200, ms: 100 }, options)
    await assert.rejects(failing, { code: 'BROKER', message: /Cannot declare queue .*\.Busy\..*\.quorum/ })
    assert.equal(await job, await answer(200))
    assert.equal(await one.end(), 0)
  })

  /** Nobody can declare this queue from now on: RabbitMQ calls its process so. */
  async function occupy(queue: string) {
    await own.node.tell('eval', `register('%2F_${queue}', spawn(${REFUSING})).`)
  }
})
