// Queues with replicas, on one machine that is killed.
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { namespace, startWorker } from '../amqp/workers.ts'
import { noBroker, ownNode, PATIENT } from './own-node.ts'
import { answer, CHAOS, row, start } from './row.ts'

describe('queues with replicas', { skip: noBroker }, () => {
  const own = ownNode()
  const options = () => ({ queue: own.node.url, namespace, ...PATIENT })
  const worker = () => startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-q', own.node.url)

  row('queues with replicas: workers find them, whoever is first', {}, async () => {
    const early = await worker()
    assert.equal(await start({ items: 40 }, { ...options(), quorum: true }), await answer(40))
    assert.equal(await early.end(), 0)
    const job = start({ items: 120, ms: 5 }, { ...options(), quorum: true })
    const late = await worker()
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

  // RabbitMQ 3.10 forgets who takes part in a queue that is less than a second old when it is killed.
  for (const [when, ms, part] of [
    ['soon', 10, 0.1],
    ['later', 40, 0.6],
  ] as const) {
    row(`queues with replicas, broker killed and started, ${when} after they were declared`, {}, async (next) => {
      const ours = `${namespace}-${when}`
      const one = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-q', own.node.url, '--namespace', ours)
      const job = start({ items: 200, ms }, { ...options(), namespace: ours, quorum: true })
      const enough = Math.floor(40 * part + 4 * next())
      let done = 0
      for await (const _ of job.partials()) if (++done === enough) await own.restart('kill')
      assert.equal(await job, await answer(200))
      assert.equal(await one.end(), 0)
    })
  }
})
