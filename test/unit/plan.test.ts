import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockSource, type Plan } from '@pymar/core'
import fc from 'fast-check'
import { planJob, planPartitions } from '../../packages/core/dist/job/plan.js'

const { signal } = new AbortController()

test('planPartitions() covers the items once, in order, none empty, sizes differing by at most one', () => {
  const length = fc.integer({ min: 1, max: 5000 })
  const parts = fc.integer({ min: 1, max: 300 })
  const start = fc.maxSafeNat().map((n) => Math.max(0, n - 5000))
  const property = fc.property(length, parts, start, (items, wanted, first) => {
    const list = planPartitions(items, wanted, first)
    assert.equal(list.length, Math.min(items, wanted))
    let next = first
    let [smallest, largest] = [Infinity, 0]
    for (let i = 0; i < list.length; i++) {
      const partition = list.at(i)
      assert.ok(partition)
      assert.deepEqual([partition.index, partition.offset], [i, next])
      next += partition.limit
      smallest = Math.min(smallest, partition.limit)
      largest = Math.max(largest, partition.limit)
    }
    assert.equal(next, first + items)
    assert.ok(smallest >= 1 && largest - smallest <= 1)
    assert.equal(list.at(list.length), undefined)
    assert.equal(list.at(-1), undefined)
  })
  fc.assert(property)
})

test('planPartitions() loses nothing of a length of 2^53 - 1', () => {
  const list = planPartitions(Number.MAX_SAFE_INTEGER, 7)
  const last = list.at(6)
  assert.equal((last?.offset ?? 0) + (last?.limit ?? 0), Number.MAX_SAFE_INTEGER)
  // 7 does not divide it: one partition is larger, and lies before the fourth.
  assert.equal(Number.MAX_SAFE_INTEGER % 7, 3)
  assert.equal(BigInt(list.at(3)?.offset ?? 0), 3n * (BigInt(Number.MAX_SAFE_INTEGER) / 7n) + 3n)
})

test('planPartitions() makes no partition of nothing', () => {
  assert.equal(planPartitions(0, 5).length, 0)
})

test('planJob() hands a plan the range, params, length and signal, and refuses a plan that is none', async () => {
  let context: unknown
  let plan: unknown
  class Planned extends BlockSource<number[]> {
    static override fullLength() {
      return 77
    }
    static override async partitions(count: number, given: { length(): Promise<number> }): Promise<Plan> {
      context = { ...given, count, length: await given.length() }
      return plan as Plan
    }
    *blocks() {}
  }
  const given = { kind: 'class', source: Planned, offset: 3, limit: undefined, params: { a: 1 } } as const
  plan = { partitions: [{ index: 0, offset: 3, limit: 0, hint: 'h' }] }
  assert.deepEqual((await planJob(given, 5, signal)).partitions.at(0), { index: 0, offset: 3, limit: 0, hint: 'h' })
  assert.deepEqual(context, { count: 5, params: { a: 1 }, offset: 3, length: 77, signal })
  let closed = 0
  const close = () => {
    closed++
  }
  const bad = [
    [undefined, /^Cannot use partitions\(\) of Planned: it returned no \{ partitions: \[\.\.\.\] \}$/],
    [{ partitions: [{ index: 1, offset: 0, limit: 1 }] }, /partition 0 is \{"index":1.*and its index must be 0$/],
    [{ partitions: [{ index: 0, offset: 0.5, limit: 1 }] }, /its offset and limit must be integers/],
    [{ partitions: [{ index: 0, offset: 0, limit: -1 }] }, /its offset and limit must be integers/],
    [{ partitions: [null] }, /partition 0 is null/],
  ] as const
  for (const [value, message] of bad) {
    plan = value && { ...value, close }
    await assert.rejects(planJob(given, 5, signal), { code: 'INVALID_ARGUMENT', message })
  }
  assert.equal(closed, bad.length - 1)
})

test('planJob() tells why a plan is refused although the plan cannot be closed', async () => {
  for (const close of [() => Promise.reject(new Error('cannot close')), () => new Promise<void>(() => {})]) {
    class Unclosable extends BlockSource<number[]> {
      static override partitions() {
        return { partitions: 'none' as never, close }
      }
      *blocks() {}
    }
    const given = { kind: 'class', source: Unclosable, offset: undefined, limit: undefined, params: undefined } as const
    await assert.rejects(planJob(given, 5, signal), { code: 'INVALID_ARGUMENT', message: /^Cannot use partitions\(\) of Unclosable: / })
  }
})
