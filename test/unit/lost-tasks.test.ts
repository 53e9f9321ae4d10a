import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AttemptSet } from '../../packages/core/dist/transport/attempt-set.js'
import { LostTasks } from '../../packages/core/dist/transport/lost-tasks.js'
import type { PartitionAttempt } from '../../packages/core/dist/transport/task-batch.js'

/** A job whose four tasks are all in the queue of a broker, and two workers, of which nobody has said anything. */
function job(t: TestContext) {
  const attempts = [0, 1, 2, 3].map((index): PartitionAttempt => {
    return { id: index, attempt: 1, task: { kind: 'partition', partition: { index, offset: index, limit: 1 }, attempt: 1 } }
  })
  const sent = new AttemptSet<PartitionAttempt>()
  for (const attempt of attempts) sent.add(attempt)
  const broker = { waiting: 0 as number | undefined, workers: ['a', 'b'], markers: 0 }
  const again: number[] = []
  const lost = new LostTasks({
    sent,
    published: () => [...sent],
    confirmed: () => [...sent],
    mark: () => broker.markers++,
    waiting: async () => {
      if (broker.waiting === undefined) throw new Error('there is no connection')
      return broker.waiting
    },
    workers: () => ['a', 'b'],
    consumersOfWorker: async (worker) => (broker.workers.includes(worker) ? 1 : undefined),
    ask: () => {},
    again: (attempt) => {
      again.push(attempt.id)
      sent.delete(attempt)
    },
    gone: () => {},
    redelivered: () => {},
  })
  t.after(() => lost.close())
  /** A look, after which the workers say what they hold. */
  const look = async (holds: Readonly<Record<string, readonly number[]>> = { a: [0], b: [1] }) => {
    await lost.look()
    for (const [worker, held] of Object.entries(holds))
      lost.holds(
        worker,
        held.map((id) => ({ id, attempt: 1 })),
      )
  }
  const [first, , third] = attempts as [PartitionAttempt, PartitionAttempt, PartitionAttempt]
  return { lost, broker, again, look, first, third }
}

test('what nobody holds is lost when the queue was seen empty twice', async (t) => {
  const { look, again } = job(t)
  await look()
  assert.deepEqual(again, [])
  await look()
  assert.deepEqual(again, [2, 3])
})

test('what nobody holds, with something in the queue, is lost when two markers came, one after the other', async (t) => {
  const { look, lost, again, broker } = job(t)
  broker.waiting = 1000
  await look()
  for (const marker of [1, 2]) {
    assert.equal(broker.markers, marker)
    lost.came(marker)
    await look()
    assert.deepEqual(again, [])
    if (marker === 1) assert.equal(broker.markers, 2)
  }
  await look()
  assert.deepEqual(again, [2, 3])
})

test('what somebody had, gave back, and has again is not lost', async (t) => {
  const { look, lost, again, broker, third } = job(t)
  broker.waiting = 1000
  await look()
  lost.came(1)
  await look()
  lost.came(2)
  await look({ a: [0, 2], b: [1, 3] })
  lost.came(3)
  await look()
  assert.deepEqual(again, [])
  lost.began(third, 'a')
  lost.came(4)
  await look()
  assert.deepEqual(again, [])
  await look()
  assert.deepEqual(again, [3])
})

test('without a connection nobody can say what he holds', async (t) => {
  const { look, lost, again, broker } = job(t)
  await look({})
  broker.waiting = undefined
  await look({})
  broker.waiting = 0
  await look()
  assert.deepEqual(again, [])
  broker.waiting = 1000
  for (const marker of [1, 2]) {
    await look()
    lost.came(marker)
  }
  broker.waiting = undefined
  await look({})
  await look({})
  assert.deepEqual(again, [])
})

test('a worker that is there and slow is waited for; one that is gone is not', async (t) => {
  const { look, again, broker } = job(t)
  await look({ a: [0] })
  await look({})
  await look({})
  assert.deepEqual(again, [])
  broker.workers = ['a']
  await look({ a: [0] })
  assert.deepEqual(again, [1, 2, 3])
})

test('what was acknowledged early is lost when its worker does not hold it any more', async (t) => {
  const { look, lost, again, broker, first, third } = job(t)
  broker.waiting = 1000
  lost.holding(first, 'a')
  await look({ a: [0], b: [1] })
  await look({ b: [1] })
  // It may have come to its worker after that was asked.
  lost.holding(third, 'b')
  await look({ a: [], b: [2] })
  assert.deepEqual(again, [])
  await look({ a: [], b: [2] })
  assert.deepEqual(again, [0])
})
