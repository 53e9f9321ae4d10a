import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Busy, Items, Pids } from '../jobs/busy.mjs'
import { Join } from '../jobs/joins.ts'
import { Marks } from '../jobs/marks.mjs'
import { slotsOf, until } from '../processes.ts'

const EIGHT = [1, 2, 3, 4, 5, 6, 7, 8]
const slots = () => slotsOf(process.pid)
const folder = mkdtempSync(join(tmpdir(), 'pymar-marks-'))
after(() => rmSync(folder, { recursive: true }))
const MARKS = join(folder, 'any')
Marks.WORKERS_NUMBER = 100

test('slots start when there is work for them, at most as many as tasks, and stay warm for the next job', async () => {
  const producer = new Pids({ slots: 3 })
  assert.deepEqual(slots(), [])
  const [only] = await producer.map([1])
  assert.deepEqual(slots(), [only])
  const pids = new Set(await producer.map(EIGHT))
  assert.ok(pids.has(only as number))
  assert.equal(slots().length, 3)
  const again = new Set(await producer.map(EIGHT))
  for (const pid of again) assert.ok(slots().includes(pid))
  await producer.close()
  assert.deepEqual(slots(), [])
})

test('producers with the same settings share their slots, which end with the last of them', async () => {
  const one = new Pids({ slots: 2 })
  const other = new Busy({ slots: 2 })
  await Promise.all([one.map(EIGHT), other.map(Items)])
  assert.equal(slots().length, 2)
  await one.close()
  assert.equal(slots().length, 2)
  await other.close()
  assert.deepEqual(slots(), [])
})

test('a slot makes room for one that loads another job file', async () => {
  const one = new Pids({ slots: 1 })
  const [first] = await one.map([1])
  const other = new Join({ slots: 1 })
  assert.equal(await other.map([1, 2]), '1 2')
  await until('the first slot is gone', () => !slots().includes(first as number))
  assert.equal(slots().length, 1)
  const [third] = await one.map([1])
  assert.notEqual(third, first)
  await one.close()
  await other.close()
  assert.deepEqual(slots(), [])
})

test('close() cancels what runs, is idempotent, and a closed producer refuses jobs', async () => {
  const producer = new Busy({ slots: 1 })
  const job = producer.map(Items)
  const rejected = assert.rejects(job, { code: 'CANCELLED', message: /its producer was closed/ })
  await producer.close()
  await producer.close()
  await rejected
  await assert.rejects(producer.map(Items), { code: 'INVALID_ARGUMENT', message: /this producer is closed/ })
  assert.deepEqual(slots(), [])
})

test('close() right after map() leaves no slot behind', async () => {
  for (let i = 0; i < 5; i++) {
    const producer = new Pids({ slots: 2 })
    const rejected = assert.rejects(producer.map(EIGHT), { code: 'CANCELLED' })
    await producer.close()
    await rejected
  }
  await until('no slot is left', () => slots().length === 0, 1000)
})

test('slots that were ended before they were up say nothing about how the next ones are started', async () => {
  for (const delayMs of [0, 10, 20, 30, 40]) {
    const producer = new Pids({ slots: 2 })
    const rejected = assert.rejects(producer.map(EIGHT), { code: 'CANCELLED' })
    await sleep(delayMs)
    await producer.close()
    await rejected
  }
  await using producer = new Pids({ slots: 1 })
  const [pid] = await producer.map([1])
  assert.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /signalled/)
})

test('a producer works again after a broker whose name was none', async () => {
  await using producer = new Pids({ slots: 1 })
  process.env['PYMAR_QUEUE'] = 'http://localhost'
  await assert.rejects(producer.map([1]), { code: 'INVALID_ARGUMENT' })
  delete process.env['PYMAR_QUEUE']
  assert.equal((await producer.map([1])).length, 1)
})

test('await using closes a producer', async () => {
  {
    await using producer = new Pids({ slots: 1 })
    await producer.map([1])
    assert.equal(slots().length, 1)
  }
  assert.deepEqual(slots(), [])
})

test('an idle slot takes over what waits behind a long partition', async () => {
  await using producer = new Marks({ slots: 2 })
  const items = (...times: readonly number[]) => times.map((ms) => ({ file: MARKS, ms }))
  await producer.map(items(1, 1, 1, 1))
  const [long, short, behind, last] = await producer.map(items(500, 1, 1, 1))
  assert.notEqual(long, short)
  assert.deepEqual([behind, last], [short, short])
})

test('a partition that waits in a slot behind another one does not begin when the job is cancelled', async () => {
  await using producer = new Marks({ slots: 1 })
  const [first, second, cancelled] = ['first', 'second', 'cancelled'].map((name) => join(folder, name)) as [string, string, string]
  const short = Array.from({ length: 40 }, () => ({ file: MARKS, ms: 0 }))
  // Short ones first, so that the slot is given some ahead.
  const job = producer.map([...short, { file: first, ms: 0, until: cancelled }, ...short.map(() => ({ file: second, ms: 0 }))])
  await until('the slot is busy', () => existsSync(first))
  job.cancel()
  // What has been said to the slot is on its way by the next turn; and it has not for ever.
  setImmediate(() => writeFileSync(cancelled, ''))
  await assert.rejects(job, { code: 'CANCELLED' })
  const slot = slots()
  assert.equal((await producer.map([{ file: MARKS, ms: 1 }])).length, 1)
  assert.deepEqual(slots(), slot)
  assert.equal(existsSync(second), false)
})
