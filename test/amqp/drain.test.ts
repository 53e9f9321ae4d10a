// needs: amqp
// How workers leave, and what those that wait for them are told.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Marks } from '../jobs/marks.mjs'
import { slotsOf, until } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { namespace, startWorker } from './workers.ts'

const fileOf = (name: string) => fileURLToPath(new URL(`../jobs/${name}`, import.meta.url))
const options = () => ({ queue: serverUrl('amqp'), namespace })
/** Partitions that take so long, in milliseconds. */
const items = (count: number, ms: number) => Array.from({ length: count }, () => ({ file: '/dev/null', ms }))

test('a worker that is asked to end takes nothing more, and gives back what has not begun', needs('amqp'), async () => {
  Marks.WORKERS_NUMBER = 4
  const folder = mkdtempSync(join(tmpdir(), 'pymar-drain-'))
  const [file, leaving] = [join(folder, 'begun'), join(folder, 'leaving')]
  writeFileSync(file, '')
  const begun = () => readFileSync(file, 'utf8').split(' ').length - 1
  try {
    const leaves = await startWorker(fileOf('marks.mjs'), '-w', '1', '-v')
    const [slot] = slotsOf(leaves.child.pid as number)
    const data = Array.from({ length: 4 }, () => ({ file, ms: 0, until: leaving }))
    const job = Marks.map(data, { ...options(), timeoutMs: 60_000 })
    await until(
      'it holds one beside the one that runs',
      () => begun() === 1 && (leaves.said().match(/takes partition/g) ?? []).length === 2,
    )
    const ended = leaves.end()
    await until('it waits for that one', () => leaves.said().includes('finishes 1 task\n'))
    writeFileSync(leaving, '')
    assert.equal(await ended, 0)
    assert.equal(begun(), 1)
    assert.doesNotMatch(leaves.said().split('finishes 1 task\n')[1] as string, /takes/)
    const stays = await startWorker(fileOf('marks.mjs'), '-w', '2')
    const slots = (await job) as number[]
    assert.equal(slots.filter((pid) => pid === slot).length, 1)
    assert.equal(begun(), 4)
    assert.equal(await stays.end(), 0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a job whose last worker has left fails with NO_WORKERS within workerTimeoutMs', needs('amqp'), async () => {
  Marks.WORKERS_NUMBER = 600
  const worker = await startWorker(fileOf('marks.mjs'), '-w', '1')
  const job = Marks.map(items(600, 50), { ...options(), workerTimeoutMs: 500, timeoutMs: 60_000 })
  const failed = assert.rejects(job, { code: 'NO_WORKERS' })
  for await (const _ of job.partials()) {
    await worker.end()
    break
  }
  await failed
})

test('a worker whose job file was changed gives back what its slots cannot compute, and ends', needs('amqp'), async () => {
  const folder = mkdtempSync(fileURLToPath(new URL('../scripts/.changed-', import.meta.url)))
  try {
    const [changed, same] = ['changed.mjs', 'same.mjs'].map((name) => join(folder, name)) as [string, string]
    for (const file of [changed, same]) copyFileSync(fileOf('marks.mjs'), file)
    const leaves = await startWorker(changed, '-w', '1', '-p', 'Marks')
    const ended = once(leaves.child, 'close')
    appendFileSync(changed, 'export const more = 1\n')
    const { Marks: Same } = (await import(pathToFileURL(same).href)) as { Marks: typeof Marks }
    const job = Same.map(items(10, 1), { ...options(), timeoutMs: 30_000 })
    for (const slot of slotsOf(leaves.child.pid as number)) process.kill(slot, 'SIGKILL')
    assert.deepEqual(await ended, [1, null])
    assert.match(leaves.said(), /pymar-worker: leaves: Cannot load job file .*changed\.mjs: it, or a file that it imports, was changed/)
    const stays = await startWorker(same, '-w', '1', '-p', 'Marks')
    assert.equal((await job).length, 10)
    assert.equal(await stays.end(), 0)
  } finally {
    rmSync(folder, { recursive: true, maxRetries: 5 })
  }
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
