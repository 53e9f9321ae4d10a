// needs: amqp
// What becomes of jobs when the broker goes, on a broker of this test's own.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Busy, Items } from '../jobs/busy.mjs'
import { Long } from '../jobs/long.mjs'
import { RabbitNode, rabbitmq } from '../servers/rabbitmq.ts'
import { makeTemporaryFolder } from '../servers/temporary-folder.ts'
import { namespace, startWorker } from './workers.ts'

const binary = rabbitmq.findBinary()
const ANSWER = Array.from({ length: 100 }, (_, i) => i).join(' ')
const { signal } = new AbortController()
const BUSY = fileURLToPath(new URL('../jobs/busy.mjs', import.meta.url))
const LONG = fileURLToPath(new URL('../jobs/long.mjs', import.meta.url))

/** It waits for acknowledgements for so long, and looks often. */
const ACK_TIMEOUT_MS = 2000
const SETTINGS = `{consumer_timeout, ${ACK_TIMEOUT_MS}}, {channel_tick_interval, 1000}`

describe('a broker of our own', { skip: !binary && 'no rabbitmq-server on this machine' }, () => {
  const folder = makeTemporaryFolder('pymar-restart')
  let node: RabbitNode
  before(async () => {
    node = await RabbitNode.start(binary as string, folder.path, signal, SETTINGS)
  })
  after(async () => {
    await node?.stop()
    folder.remove()
  })

  for (const how of ['stop', 'kill'] as const) {
    test(`restarted in the middle of a job costs time only: ${how}`, async () => {
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

  test('restarted before a worker has come costs time only', async () => {
    const job = Busy.map(Items, { queue: node.url, namespace, timeoutMs: 120_000 })
    const restarted = (async () => {
      while (!(await node.ask('list_queues', 'messages', 'name')).some((line) => /^[1-9]\d*\t.*Busy/.test(line)));
      await node.down('kill')
      await node.up(signal)
      return startWorker(BUSY, '-w', '2', '-q', node.url)
    })()
    assert.equal(await job, ANSWER)
    assert.equal(await (await restarted).end(), 0)
  })

  test('that waits less for acknowledgements than a partition takes is told early', async () => {
    const worker = await startWorker(LONG, '-w', '2', '-q', node.url, '-v', '--ack-timeout', String(ACK_TIMEOUT_MS))
    const job = Long.map([5000, 5001], { queue: node.url, namespace, timeoutMs: 60_000 })
    assert.equal(await job, '5000 in attempt 1, 5001 in attempt 1')
    assert.equal(await worker.end(), 0)
    assert.match(worker.said(), /acknowledges 1 partition early/)
    assert.doesNotMatch(worker.said(), /lost/)
  })

  test('that gives a long partition to somebody again finds who has it', async () => {
    const worker = await startWorker(LONG, '-w', '2', '-q', node.url, '-v')
    const job = Long.map([5002], { queue: node.url, namespace, timeoutMs: 60_000 })
    assert.equal(await job, '5002 in attempt 1')
    assert.equal(await worker.end(), 0)
    assert.match(worker.said(), /takes partition 0 .*connection to the broker is lost.*takes partition 0 /s)
    assert.equal(worker.said().split('waits 5002 ms').length - 1, 1)
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
