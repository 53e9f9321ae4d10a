import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PymarError } from '@pymar/core'
import { Busy, Items } from '../jobs/busy.mjs'
import { Dies, DiesAtFirst, Sum } from '../jobs/faults.ts'
import { random, slotsOf } from '../processes.ts'

const RUNS = 100
const EXPECTED = Array.from({ length: 100 }, (_, i) => i).join(' ')

test(`an answer does not change when slots are killed during the job, in ${RUNS} seeded runs`, async () => {
  await using producer = new Busy({ slots: 2 })
  let killed = 0
  for (let seed = 1; seed <= RUNS; seed++) {
    const next = random(seed)
    const job = producer.map(Items, { maxAttempts: 1000 })
    const over = new AbortController()
    const killer = (async () => {
      for (let kills = 0; kills < 3; kills++) {
        await sleep(next() * 60)
        if (over.signal.aborted) return
        const slots = slotsOf(process.pid)
        const victim = slots[Math.floor(next() * slots.length)]
        if (victim !== undefined) killed += Number(process.kill(victim, 'SIGKILL'))
      }
    })()
    assert.equal(await job, EXPECTED, `seed ${seed}`)
    over.abort()
    await killer
  }
  assert.ok(killed > RUNS, `only ${killed} slots were killed`)
})

test('a partition whose slot dies is redone, and mapFn sees which attempt it is', async () => {
  assert.equal(await DiesAtFirst.map([1, 2, 3, 4, 5, 6, 7, 8], { slots: 2 }), 36)
})

const DEATHS = [
  ['process.exit()', 0, /exit code 3/],
  ['SIGKILL', 1, /signal SIGKILL/],
  ['process.abort()', 2, /signal SIGABRT/],
  ['a Map that outgrows the heap', 3, /signal SIGABRT|exit code 134/],
  ['arrays that outgrow the heap', 4, /signal SIGABRT|exit code 134/],
] as const

for (const [how, item, exit] of DEATHS) {
  test(`a partition that ends each slot by ${how} fails the job with WORKER_LOST, and the next job works`, async () => {
    const error = await Dies.map([9, item, 9, 9], { slots: 2, slotMemory: 40 }).then(
      () => assert.fail('no error'),
      (reason: unknown) => reason,
    )
    assert.ok(error instanceof PymarError)
    assert.equal(error.code, 'WORKER_LOST')
    assert.match(error.message, /^Cannot compute partition 1 of 4 \(offset 1, limit 1\): the process was lost in each of 3 attempts: /)
    assert.equal(error.message.match(/ pid \d+ \(/g)?.length, 3)
    assert.match(error.message, exit)
    assert.equal(await Sum.map([1, 2, 3], { slots: 2, slotMemory: 40 }), 6)
  })
}

test('maxAttempts 1 allows no loss', async () => {
  await assert.rejects(DiesAtFirst.map([1, 2, 3, 4], { slots: 1, maxAttempts: 1 }), {
    code: 'WORKER_LOST',
    message: /lost in its only attempt/,
  })
})

test('a slot that dies takes no other partition with it', async () => {
  const order: number[] = []
  const job = DiesAtFirst.map([1, 2, 3, 4, 5, 6, 7, 8], { slots: 2, onProgress: ({ done }) => order.push(done) })
  assert.equal(await job, 36)
  assert.deepEqual(order, [0, 1, 2, 3, 4])
})
