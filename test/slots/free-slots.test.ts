import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PymarError } from '@pymar/core'
import { Endless } from '../jobs/faults.ts'
import { isAlive, slotsOf, until } from '../processes.ts'

/** A second, and what a busy machine may add to it. */
const FREED_MS = 1500
const WAYS = [
  ['a cancel', () => ({ signal: AbortSignal.timeout(500) }), 'CANCELLED'],
  ['a timeout', () => ({ timeoutMs: 500 }), 'TIMEOUT'],
  ["a partition's timeout", () => ({ partitionTimeoutMs: 50 }), 'TIMEOUT'],
] as const

for (const slots of [1, 2]) {
  for (const [way, options, code] of WAYS) {
    test(`user code that never yields frees its ${slots} slots within a second of ${way}`, async () => {
      await using producer = new Endless({ slots })
      // Negative items end; so all slots are warm, and those that loop are known.
      assert.equal(await producer.map([-1, -2, -3, -4]), -10)
      const busy = slotsOf(process.pid)
      const error = await producer.map([1, 2, 3, 4], options()).catch((reason: unknown) => reason)
      assert.ok(error instanceof PymarError)
      assert.equal(error.code, code)
      await until('the slots that looped are gone', () => !busy.some(isAlive), FREED_MS)
      assert.equal(await producer.map([-1, -2]), -3)
    })
  }
}
