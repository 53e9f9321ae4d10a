// needs: amqp
// How workers leave, and what those that wait for them are told.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Marks } from '../jobs/marks.mjs'
import { needs, serverUrl } from '../servers/needs.ts'
import { namespace, startWorker } from './workers.ts'

const fileOf = (name: string) => fileURLToPath(new URL(`../jobs/${name}`, import.meta.url))
const options = () => ({ queue: serverUrl('amqp'), namespace })
/** Partitions that take so long, in milliseconds. */
const items = (count: number, ms: number) => Array.from({ length: count }, () => ({ file: '/dev/null', ms }))

test('a worker that is asked to end takes nothing more, and gives back what has not begun', needs('amqp'), async () => {
  Marks.WORKERS_NUMBER = 60
  const leaves = await startWorker(fileOf('marks.mjs'), '-w', '1', '-v')
  const job = Marks.map(items(60, 50), { ...options(), timeoutMs: 60_000 })
  let done = 0
  let stays: ReturnType<typeof startWorker> | undefined
  for await (const _ of job.partials()) {
    if (++done !== 3) continue
    const asked = performance.now()
    assert.equal(await leaves.end(), 0)
    assert.ok(performance.now() - asked < 3000, 'it ended late')
    stays = startWorker(fileOf('marks.mjs'), '-w', '1')
  }
  assert.equal((await job).length, 60)
  assert.equal(await (await stays)?.end(), 0)
})

test('a job whose last worker has left fails with NO_WORKERS within workerTimeoutMs', needs('amqp'), async () => {
  Marks.WORKERS_NUMBER = 60
  const worker = await startWorker(fileOf('marks.mjs'), '-w', '1')
  const job = Marks.map(items(60, 50), { ...options(), workerTimeoutMs: 500, timeoutMs: 60_000 })
  const failed = assert.rejects(job, { code: 'NO_WORKERS' })
  for await (const _ of job.partials()) {
    await worker.end()
    break
  }
  await failed
})

test('a worker starts although a slot is killed while it imports the job file', needs('amqp'), async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pymar-dies-'))
  process.env['PYMAR_TEST_MARK'] = join(folder, 'mark')
  try {
    const worker = await startWorker(fileURLToPath(new URL('../scripts/dies-at-first-import.mjs', import.meta.url)), '-w', '1')
    assert.match(worker.said(), /^pymar-worker ready: /)
    assert.equal(await worker.end(), 0)
  } finally {
    delete process.env['PYMAR_TEST_MARK']
    rmSync(folder, { recursive: true })
  }
})
