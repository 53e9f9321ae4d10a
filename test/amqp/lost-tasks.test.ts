// needs: amqp
// Tasks that no broker would give to anybody again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect } from 'amqplib'
import { pack } from '../../packages/core/dist/wire/frame.js'
import { answer, CHAOS, start as startChaos } from '../chaos/row.ts'
import { Busy, Items } from '../jobs/busy.mjs'
import { Chaos } from '../jobs/chaos.mjs'
import { Endless, Sum } from '../jobs/faults.ts'
import { Long } from '../jobs/long.mjs'
import { start, until } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { namespace, startWorker } from './workers.ts'

const ANSWER = Array.from({ length: 100 }, (_, i) => i).join(' ')
const fileOf = (job: string) => fileURLToPath(new URL(`../jobs/${job}`, import.meta.url))
const options = () => ({ queue: serverUrl('amqp'), namespace })

test('a long partition that was acknowledged early is computed again when its worker goes', needs('amqp'), async () => {
  const first = await startWorker(fileOf('long.mjs'), '-w', '2', '-v', '--ack-timeout', '1000')
  const job = Long.map([3000, 3001], options())
  const early = () => first.said().split('acknowledges 1 partition early').length - 1
  await until('both are acknowledged', () => early() === 2, 10_000)
  first.child.kill('SIGKILL')
  const second = await startWorker(fileOf('long.mjs'), '-w', '2')
  assert.equal(await job, '3000 in attempt 2, 3001 in attempt 2')
  assert.equal(await second.end(), 0)
})

test('a job whose queue is deleted is computed all the same', needs('amqp'), async () => {
  const worker = await startWorker(fileOf('busy.mjs'), '-w', '1', '-p', 'Busy')
  const queue = /fingerprint (\w+)/.exec(worker.said())?.[1]
  const model = await connect(serverUrl('amqp'), { noDelay: true })
  const channel = await model.createChannel()
  const job = Busy.map(Items, options())
  let done = 0
  for await (const _ of job.partials()) if (++done === 5) await channel.deleteQueue(`pymar.1.${namespace}.Busy.${queue}`)
  assert.equal(await job, ANSWER)
  await model.close()
  assert.equal(await worker.end(), 0)
})

test('what a worker has dropped is computed when its producer comes back, though others fill the queue', needs('amqp'), async (t) => {
  const proxy = await TcpProxy.open(serverUrl('amqp'))
  const over = new AbortController()
  t.after(() => {
    over.abort()
    proxy.close()
  })
  const worker = await startWorker(CHAOS, '-w', '1', '-v', '-p', 'Chaos')
  const away = startChaos({ items: 40, ms: 250 }, { ...options(), queue: proxy.url })
  for await (const _ of away.partials()) break
  // More than are sent at once, so that the queue is not empty before they are done.
  const asked = Chaos.WORKERS_NUMBER
  Chaos.WORKERS_NUMBER = 4000
  const backlog = startChaos({ items: 4000, ms: 20 }, { ...options(), signal: over.signal })
  Chaos.WORKERS_NUMBER = asked
  proxy.accept(false)
  proxy.cut()
  await until('it is dropped', () => worker.said().includes('drops what'), 15_000)
  proxy.accept(true)
  assert.equal(await away, await answer(40))
  over.abort()
  await assert.rejects(backlog, { code: 'CANCELLED' })
  assert.equal(await worker.end(), 0)
})

test('what a killed producer has left in its queue costs a worker that comes later next to nothing', needs('amqp'), async () => {
  const script = start(['--import', 'tsx', 'orphan-job.mjs'], { PYMAR_QUEUE: serverUrl('amqp'), PYMAR_TEST_NAMESPACE: namespace })
  await until('its tasks are sent', () => script.err().includes('no worker takes its tasks'), 15_000)
  script.child.kill('SIGKILL')
  await script.ended
  const worker = await startWorker(fileOf('faults.ts'), '-w', '1', '-v', '-p', Endless.name, '-p', Sum.name)
  assert.equal(await Sum.map([1, 2, 3], { ...options(), timeoutMs: 30_000 }), 6)
  await until('they are dropped', () => worker.said().includes('drops what'), 10_000)
  assert.equal(await worker.end(), 0)
})

test('what a producer does not answer for costs a worker nothing: it goes, or does not have it any more', needs('amqp'), async () => {
  const worker = await startWorker(fileOf('large.mjs'), '-w', '1', '-v')
  const queue = `pymar.1.${namespace}.Together.${/fingerprint (\w+)/.exec(worker.said())?.[1]}`
  const model = await connect(serverUrl('amqp'), { noDelay: true })
  const channel = await model.createChannel()
  const replyTo = `pymar.1.${namespace}.reply.test`
  await channel.assertQueue(replyTo, { durable: true, expires: 60_000 })
  const asked = new Promise<string>((came) => {
    void channel.consume(replyTo, (message) => message && came(String(message.properties.appId)), { noAck: true })
  })
  const send = (job: string, more: object) => {
    const message = { type: 'partitions', job, of: 1, source: 'Picked', ...more }
    channel.sendToQueue(queue, pack([{ message }]), { replyTo })
  }
  send('a', { tasks: [[0, 1, 0, 5, 0, -1]] })
  send('b', { shared: -1, tasks: [[0, 1, 0, 5]] })
  const own = `pymar.1.${namespace}.worker.${await asked}`
  channel.sendToQueue(own, pack([{ message: { type: 'data', job: 'a', what: 'items', index: 0 } }]))
  await channel.deleteQueue(replyTo)
  await until('what is left is dropped', () => worker.said().includes('drops what'), 15_000)
  await model.close()
  const asking = performance.now()
  assert.equal(await worker.end(), 0)
  assert.ok(performance.now() - asking < 10_000, 'it held something')
})
