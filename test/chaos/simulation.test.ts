// Interleavings that real runs seldom hit, thousands a second.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SimulatedEnd, simulate } from './simulation.ts'

/** `PYMAR_SIMULATIONS=1000000` for many more; `PYMAR_SEED=123` for this one alone. */
const RUNS = Number(process.env['PYMAR_SIMULATIONS'] ?? 20_000)
const ONLY = process.env['PYMAR_SEED']

test(`whatever happens, a job ends with the right answer or with one error, in ${RUNS} seeded schedules`, () => {
  const total: Record<string, number> = {}
  const seeds = ONLY === undefined ? Array.from({ length: RUNS }, (_, i) => i + 1) : [Number(ONLY)]
  for (const seed of seeds) {
    const again = `again: PYMAR_SEED=${seed} node --import tsx --test test/chaos/simulation.test.ts`
    try {
      check(simulate(seed))
    } catch (error) {
      throw new Error(`${(error as Error).message}; ${again}`, { cause: error })
    }
  }
  function check(end: SimulatedEnd) {
    for (const [fault, times] of Object.entries(end.faults)) total[fault] = (total[fault] ?? 0) + times
    total[end.error?.code ?? 'answers'] = (total[end.error?.code ?? 'answers'] ?? 0) + 1
    if (end.error) return checkError(end)
    assert.equal(end.result, end.expected)
    assert.ok(!end.doomed, 'there was a partition that none may compute')
  }
  if (ONLY === undefined)
    for (const fault of ['death', 'stop', 'lost', 'twice', 'answers', 'WORKER_LOST', 'USER_ERROR', 'TIMEOUT'])
      assert.ok(total[fault], fault)
})

/** An error is right only where as much has happened as its limits allow. */
function checkError({ error, faults, losses, maxAttempts }: SimulatedEnd) {
  switch (error?.code) {
    case 'WORKER_LOST':
      return assert.ok(losses >= maxAttempts, String(error))
    case 'USER_ERROR':
      return assert.ok(faults.thrown > 0, String(error))
    case 'TIMEOUT':
      return
    default:
      throw error
  }
}
