// needs: amqp
// Tasks that no broker would give to anybody again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect } from 'amqplib'
import { Busy, Items } from '../jobs/busy.mjs'
import { Endless, Sum } from '../jobs/faults.ts'
import { Long } from '../jobs/long.mjs'
import { start, until } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { namespace, startWorker } from './workers.ts'

const ANSWER = Array.from({ length: 100 }, (_, i) => i).join(' ')
const fileOf = (job: string) => fileURLToPath(new URL(`../jobs/${job}`, import.meta.url))
const options = () => ({ queue: serverUrl('amqp'), namespace })

test('a long partition that was acknowledged early is computed again when its worker goes', needs('amqp'), async () => {
  const first = await startWorker(fileOf('long.mjs'), '-w', '2', '-v', '--ack-timeout', '1000')
  const job = Long.map([3000, 3001], options())
  const early = () => first.said().split('acknowledges 1 partition early').length - 1
  await until('both are acknowledged', () => early() === 2, 10_000)
  const second = await startWorker(fileOf('long.mjs'), '-w', '2')
  first.child.kill('SIGKILL')
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

test('what a killed producer has left in its queue costs a worker that comes later next to nothing', needs('amqp'), async () => {
  const script = start(['--import', 'tsx', 'orphan-job.mjs'], { PYMAR_QUEUE: serverUrl('amqp'), PYMAR_TEST_NAMESPACE: namespace })
  await until('its tasks are sent', () => script.err().includes('no worker takes its tasks'), 15_000)
  script.child.kill('SIGKILL')
  await script.ended
  const worker = await startWorker(fileOf('faults.ts'), '-w', '1', '-v', '-p', Endless.name, '-p', Sum.name)
  assert.equal(await Sum.map([1, 2, 3], { ...options(), timeoutMs: 10_000 }), 6)
  await until('they are dropped', () => worker.said().includes('drops what'), 10_000)
  assert.equal(await worker.end(), 0)
})
