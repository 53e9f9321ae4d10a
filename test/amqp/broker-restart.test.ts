// needs: amqp
// What becomes of jobs when the broker goes, on a broker of this test's own.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Busy, Items } from '../jobs/busy.mjs'
import { RabbitNode, rabbitmq } from '../servers/rabbitmq.ts'
import { makeTemporaryFolder } from '../servers/temporary-folder.ts'
import { namespace, startWorker } from './workers.ts'

const binary = rabbitmq.findBinary()
const ANSWER = Array.from({ length: 100 }, (_, i) => i).join(' ')
const { signal } = new AbortController()
const BUSY = fileURLToPath(new URL('../jobs/busy.mjs', import.meta.url))

describe('a broker that is restarted', { skip: !binary && 'no rabbitmq-server on this machine' }, () => {
  const folder = makeTemporaryFolder('pymar-restart')
  let node: RabbitNode
  before(async () => {
    node = await RabbitNode.start(binary as string, folder.path, signal)
  })
  after(async () => {
    await node?.stop()
    folder.remove()
  })

  for (const how of ['stop', 'kill'] as const) {
    test(`in the middle of a job costs time only: ${how}`, async () => {
      const worker = await startWorker(BUSY, '-w', '2', '-q', node.url)
      const job = Busy.map(Items, { queue: node.url, namespace, timeoutMs: 120_000 })
      let done = 0
      for await (const _ of job.partials()) {
        if (++done !== 10) continue
        await node.down(how)
        await node.up(signal)
      }
      assert.equal(await job, ANSWER)
      assert.equal(await Busy.map(Items, { queue: node.url, namespace }), ANSWER)
      assert.equal(await worker.end(), 0)
    })
  }

  test('before a worker has come costs time only', async () => {
    const job = Busy.map(Items, { queue: node.url, namespace, timeoutMs: 120_000 })
    const restarted = (async () => {
      while (!(await node.ask('list_queues', 'messages', 'name')).some((line) => /^40\t.*Busy/.test(line)));
      await node.down('kill')
      await node.up(signal)
      return startWorker(BUSY, '-w', '2', '-q', node.url)
    })()
    assert.equal(await job, ANSWER)
    assert.equal(await (await restarted).end(), 0)
  })

  test('has nothing left of them but queues that end by themselves', async () => {
    const worker = await startWorker(BUSY, '-w', '1', '-q', node.url, '--namespace', 'left')
    assert.equal(await Busy.map(Items, { queue: node.url, namespace: 'left' }), ANSWER)
    await using producer = new Busy({ queue: node.url, namespace: 'closed', workerTimeoutMs: 100 })
    await assert.rejects(producer.map(Items), { code: 'NO_WORKERS' })
    await producer.close()
    assert.equal(await worker.end(), 0)
    const queues = await node.ask('list_queues', 'name', 'messages', 'durable', 'arguments')
    for (const line of queues) assert.match(line, /^pymar\.1\.\S+\t\d+\ttrue\t\[\{"x-expires", ?(60000|1800000)\}\]$/)
    // A reply queue ends a minute after its process, a task queue half an hour after the last worker, and a worker takes its own along.
    const kinds = queues.flatMap((line) => /^pymar\.1\.(left|closed)\.(\w+)\./.exec(line)?.slice(1).join(' ') ?? [])
    assert.deepEqual(kinds.sort(), ['closed Busy', 'left Busy', 'left Pids', 'left reply'])
    const exchanges = await node.ask('list_exchanges', 'name')
    assert.deepEqual(
      exchanges.filter((name) => name !== '' && !name.startsWith('amq.')),
      [],
    )
  })
})
