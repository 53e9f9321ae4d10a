// needs: amqp
// What becomes of lost tasks in a queue that other jobs keep full.
import assert from 'node:assert/strict'
import { setInterval } from 'node:timers/promises'
import { connect } from 'amqplib'
import { namespace, startWorker } from '../amqp/workers.ts'
import { until } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { answer, CHAOS, row, start } from './row.ts'

/** A job that takes a worker's two slots a second. */
const job = () => start({ items: 40, ms: 50 }, { queue: serverUrl('amqp'), namespace, timeoutMs: 120_000 })

row('queue purged while other jobs keep it full: what was lost is sent again', needs('amqp'), async (_, t) => {
  const worker = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos')
  const queue = `pymar.1.${namespace}.Chaos.${/fingerprint (\w+)/.exec(worker.said())?.[1]}`
  const model = await connect(serverUrl('amqp'), { noDelay: true })
  t.after(() => model.close())
  const channel = await model.createChannel()
  // While the worker stands still, the queue holds what it has not been given: more than the tasks of two jobs are of all three.
  worker.child.kill('SIGSTOP')
  const isFull = async () => (await channel.checkQueue(queue)).messageCount > 80
  const others = [job(), job()]
  const lost = job()
  await until('three jobs are in the queue', isFull)
  await channel.purgeQueue(queue)
  others.push(job(), job(), job())
  await until('others have filled it again', isFull)
  worker.child.kill('SIGCONT')
  let isDone = false
  const ended = lost.then((found) => {
    isDone = true
    return found
  })
  const waited: number[] = []
  for await (const _ of setInterval(500)) {
    const { messageCount } = await channel.checkQueue(queue)
    if (isDone) break
    waited.push(messageCount)
    if (messageCount < 60) others.push(job())
  }
  assert.equal(await ended, await answer(40))
  // Seen empty twice, it would tell by itself what is lost. Where a machine stood still it may have been empty for once.
  assert.ok(waited.filter((count) => count === 0).length <= 1, `the queue was empty: ${waited}`)
  for (const other of others) assert.equal(await other, await answer(40))
  assert.equal(await worker.end(), 0)
})
