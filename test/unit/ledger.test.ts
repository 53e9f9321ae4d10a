import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Ledger } from '../../packages/core/dist/ledger/ledger.js'
import type { AttemptId } from '../../packages/core/dist/transport/port.js'

const limits = { maxAttempts: 3, retries: 1 }

/** All that may happen to the attempts of a job, in any order, also twice and too late. */
const steps = fc.array(fc.tuple(fc.constantFrom('take', 'started', 'count', 'lose', 'fail', 'recall'), fc.nat()), { maxLength: 300 })

test('every partition is counted once, and progress adds up, whatever happens in whatever order', () => {
  const property = fc.property(fc.integer({ min: 1, max: 12 }), steps, (partitions, script) => {
    const ledger = new Ledger<string>(partitions, { maxAttempts: 1e6, retries: 1e6 })
    const sent: AttemptId[] = []
    const counted = new Set<number>()
    const take = () => {
      const attempt = ledger.take()
      if (!attempt) return
      assert.ok(!counted.has(attempt.id), 'a done partition was sent again')
      sent.push(attempt)
    }
    for (const [step, pick] of script) {
      const attempt = sent[pick % Math.max(1, sent.length)]
      if (step === 'take') take()
      else if (step === 'recall') ledger.recall()
      else if (!attempt) continue
      else if (step === 'count') assert.equal(ledger.count(attempt.id), !counted.has(attempt.id) && Boolean(counted.add(attempt.id)))
      else if (step === 'started') ledger.started(attempt)
      else assert.notEqual(step === 'lose' ? ledger.lose(attempt, 'gone') : ledger.fail(attempt), 'final')
      assert.equal(ledger.done, counted.size)
      assert.ok(ledger.running >= 0 && ledger.running <= partitions - counted.size)
    }
    // Whatever was lost on the way, the ledger still leads to the end.
    ledger.recall()
    for (let attempt = ledger.take(); attempt; attempt = ledger.take()) counted.add(attempt.id) && ledger.count(attempt.id)
    assert.equal(ledger.done, partitions)
    assert.equal(ledger.running, 0)
  })
  fc.assert(property, { numRuns: 500 })
})

test('an attempt that is not the latest changes nothing, but its answer counts', () => {
  const ledger = new Ledger<string>(1, limits)
  const first = ledger.take() as AttemptId
  assert.equal(ledger.lose(first, 'gone'), 'again')
  const second = ledger.take() as AttemptId
  assert.deepEqual([first.attempt, second.attempt], [1, 2])
  assert.equal(ledger.lose(first, 'gone twice'), 'ignored')
  assert.equal(ledger.fail(first), 'ignored')
  assert.equal(ledger.started(first), false)
  assert.equal(ledger.count(0), true)
  assert.equal(ledger.count(0), false)
  assert.equal(ledger.lose(second, 'late'), 'ignored')
  assert.equal(ledger.take(), undefined)
})

test('maxAttempts limits losses and retries limit failures, each on their own', () => {
  const lose = new Ledger<string>(1, limits)
  assert.deepEqual(
    ['a', 'b', 'c'].map((loss) => lose.lose(lose.take() as AttemptId, loss)),
    ['again', 'again', 'final'],
  )
  assert.deepEqual(lose.losses(0), ['a', 'b', 'c'])
  const fail = new Ledger<string>(1, limits)
  assert.equal(fail.lose(fail.take() as AttemptId, 'a'), 'again')
  assert.equal(fail.fail(fail.take() as AttemptId), 'again')
  assert.equal(fail.fail(fail.take() as AttemptId), 'final')
})

test('tasks that wait for another attempt, and reductions, go before fresh partitions', () => {
  const ledger = new Ledger<string>(3, limits)
  const first = ledger.take() as AttemptId
  ledger.add(3)
  ledger.lose(first, 'gone')
  assert.deepEqual(
    [ledger.take(), ledger.take(), ledger.take()].map((attempt) => attempt?.id),
    [3, 0, 1],
  )
})

test('a partial that is known before its partition was sent counts once, and the partition is not sent', () => {
  const ledger = new Ledger<string>(4, limits)
  ledger.know(1)
  assert.equal(ledger.count(2), true)
  assert.equal(ledger.count(1) || ledger.count(2) || ledger.count(4), false)
  assert.deepEqual(
    [ledger.take(), ledger.take(), ledger.take()].map((attempt) => attempt?.id),
    [0, 3, undefined],
  )
  assert.deepEqual(
    [0, 1, 2, 3].map((id) => ledger.isDone(id)),
    [false, true, true, false],
  )
  assert.equal(ledger.done, 2)
})

test('a task whose next failure or loss is the last has no copy: otherwise two of them could take turns for ever', () => {
  const ledger = new Ledger<string>(1, { maxAttempts: 3, retries: 0 })
  const first = ledger.take() as AttemptId
  const copy = ledger.copy(first) as AttemptId
  assert.equal(ledger.fail(first), 'again')
  assert.equal(ledger.copy(copy), undefined)
  assert.equal(ledger.fail(copy), 'final')
})

test('a copy is another attempt beside the only one, and the task waits again when both are lost', () => {
  const ledger = new Ledger<string>(1, limits)
  const first = ledger.take() as AttemptId
  const copy = ledger.copy(first) as AttemptId
  assert.equal(ledger.copy(first), undefined)
  assert.deepEqual([ledger.started(first), ledger.started(copy), ledger.started(copy), ledger.running], [true, true, false, 1])
  assert.equal(ledger.lose(first, 'one'), 'again')
  assert.equal(ledger.take(), undefined)
  assert.equal(ledger.lose(copy, 'two'), 'again')
  assert.equal(ledger.take()?.attempt, 3)
})
