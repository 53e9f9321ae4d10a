import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Busy, Items, Pids } from '../jobs/busy.mjs'
import { Join, Numbers } from '../jobs/joins.ts'
import { start } from '../processes.ts'

for (const slots of [1, 2]) {
  test(`jobs of two job files share ${slots} slots without replacing them for each task`, async () => {
    const one = new Busy({ slots })
    const other = new Join({ slots })
    const alone = performance.now()
    await one.map(Items)
    await other.map(Numbers)
    const apart = performance.now() - alone
    const both = performance.now()
    const jobs = [one.map(Items), other.map(Numbers), one.map(Items), other.map(Numbers)]
    const answers = await Promise.all(jobs)
    const together = performance.now() - both
    assert.equal(answers[0], answers[2])
    assert.equal(answers[1], answers[3])
    assert.ok(together < 8 * apart + 4000, `${apart} ms for two jobs one after the other, ${together} ms for four at once`)
    await Promise.all([one.close(), other.close()])
  })
}

test('a short job of another job file does not wait for a long one to end', async () => {
  await using long = new Pids({ slots: 1 })
  await using short = new Join({ slots: 1 })
  Pids.WORKERS_NUMBER = 1_000_000
  const running = long.map(Array.from({ length: 1_000_000 }, (_, i) => i))
  const cancelled = assert.rejects(running, { code: 'CANCELLED' })
  for await (const _ of running.partials()) break
  assert.equal(await short.map([1, 2, 3]), '1 2 3')
  running.cancel()
  await cancelled
  Pids.WORKERS_NUMBER = 8
})

test('flags of the script that are not for slots stay away from them, with their values', async () => {
  for (const flags of [
    ['--inspect-port', '0'],
    ['--input-type', 'module'],
    ['--conditions', 'none'],
    ['-r', 'node:os'],
    ['--title', 'x'],
  ]) {
    const args = flags[0] === '--input-type' ? [] : flags
    const { code, out, err } = await start([...args, 'guarded.mjs', 'a']).ended
    assert.deepEqual([code, out], [0, 'a 6\n'], `${flags}: ${err}`)
  }
  const named = await start(['--test', '--test-name-pattern', 'a job', 'tested.test.mjs'], { NODE_TEST_CONTEXT: undefined }).ended
  assert.equal(named.code, 0, named.out)
})

test('slots are no more than asked for when job files alternate and slots are unwilling to end', async () => {
  const { code, out, err } = await start(['unwilling.mjs']).ended
  assert.deepEqual([code, out], [0, 'true\n'], err)
})

test('slots that load another text than those before them are refused, and the job with them', async () => {
  const { code, out, err } = await start(['changed.mjs']).ended
  assert.equal(code, 0, err)
  assert.match(
    out,
    /^4\nJOB_FILE Cannot load job file .*: it, or a file that it imports, was changed since it was first loaded; start the script, or the worker, again\n$/,
  )
})

const limited = { skip: process.platform === 'win32' && 'needs ulimit' }

test('a job fails with WORKER_LOST when no slot can be started, and the next one works when it can', limited, async () => {
  const command = `ulimit -n 256 && exec "${process.execPath}" no-descriptors.mjs`
  const { code, out, err } = await start(['-c', command], {}, '/bin/sh').ended
  assert.equal(code, 0, err)
  assert.match(out, /^6\nWORKER_LOST Cannot start a slot: .*EMFILE\n6\n$/)
})

test('fake timers in the script, and listeners that user code takes away in a slot, stop no job', async () => {
  const { code, out, err } = await start(['fake-timers.mjs']).ended
  assert.deepEqual([code, out], [0, '6\n6\nTIMEOUT\nTIMEOUT\n'], err)
})

test('a job fails with WORKER_LOST when its slots do not come up', async () => {
  const { out } = await start(['-r', './slow-start.cjs', 'slow-start.mjs']).ended
  assert.equal(out, 'WORKER_LOST Cannot start a slot: it was not up within 300 ms\n')
})
