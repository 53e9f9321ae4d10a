// needs: amqp
// The commands as somebody types them: what they say, and how they end.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DataSourceFactory } from '@pymar/core'
import { isAlive, slotsOf, start, until } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { namespace, startWorker } from './workers.ts'

const options = () => ({ queue: serverUrl('amqp'), namespace })
const env = () => ({ PYMAR_QUEUE: serverUrl('amqp'), PYMAR_TEST_NAMESPACE: namespace })
const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))

test('a worker that is ready says so in one line, and what slots print has their pid before it', needs('amqp'), async () => {
  const worker = await startWorker(fileOf('../jobs/prints.mjs'), '-w', '2')
  const { Prints } = await import('../jobs/prints.mjs')
  assert.equal(await Prints.map([1], options()), 1)
  assert.equal(await worker.end(), 0)
  const [ready, ...more] = worker.said().trimEnd().split('\n')
  const printed = more.filter((line) => !line.startsWith('pymar-worker: takes no more tasks, '))
  assert.match(ready ?? '', /^pymar-worker ready: prints\.mjs on amqp:\/\/\S+ with 2 slots for Prints \(fingerprint [\da-f]{16}\)$/)
  assert.doesNotMatch(ready ?? '', new RegExp(new URL(serverUrl('amqp')).password || 'no password'))
  assert.equal(printed.length, 3)
  for (const line of printed) assert.match(line, /^\[slot \d+\] (to stdout: [äöü]+|to stderr|without an end)$/)
})

test('a worker that watches starts again when its job file, or what that imports, changes', needs('amqp'), async () => {
  const folder = mkdtempSync(fileOf('../scripts/.watch-'))
  const [job, factor] = [join(folder, 'job.mjs'), join(folder, 'factor.mjs')]
  const start2 = () => start([job], env()).ended
  const isReady = (times: number) => worker.said().split('pymar-worker ready').length > times
  writeFileSync(factor, 'export const factor = 10\n')
  writeFileSync(job, SCALE)
  const worker = await startWorker(job, '-w', '1', '--watch')
  try {
    assert.deepEqual(pick(await start2()), [0, '30\n'])
    writeFileSync(factor, 'export const factor = 100\n')
    await until('it works on the changed file', () => isReady(2), 10_000)
    assert.deepEqual(pick(await start2()), [0, '300\n'])
    writeFileSync(factor, 'export const factor = \n')
    await until('it says that it waits', () => /SyntaxError.*waits for a change/s.test(worker.said()), 10_000)
    writeFileSync(factor, 'export const factor = 1000\n')
    await until('it works on the mended file', () => isReady(3), 10_000)
    assert.deepEqual(pick(await start2()), [0, '3000\n'])
    assert.equal(await worker.end(), 0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const pick = ({ code, out }: { code: number | null; out: string }) => [code, out]
const SCALE = `
import { isMain, Producer } from '@pymar/core'
import { factor } from './factor.mjs'
export class Scale extends Producer {
  static mapFn(xs) { return Array.from(xs, (x) => x * factor) }
  static reduceFn(values) { let sum = 0; for (const value of values) sum += value; return sum }
}
if (isMain(import.meta)) console.log(await Scale.map([1, 2], { namespace: process.env.PYMAR_TEST_NAMESPACE, timeoutMs: 20_000 }))
`

test('a worker that watches a file that is not there waits for it', needs('amqp'), async () => {
  const folder = mkdtempSync(fileOf('../scripts/.watch-'))
  const job = join(folder, 'later', 'job.mjs')
  const worker = start([fileOf('../../packages/core/bin/pymar-worker.js'), job, '-q', serverUrl('amqp'), '-w', '1', '--watch'])
  try {
    await until('it says so', () => /JOB_FILE: Cannot load .*waits for a change/s.test(worker.err()), 10_000)
    mkdirSync(join(folder, 'later'))
    writeFileSync(join(folder, 'later', 'factor.mjs'), 'export const factor = 10\n')
    writeFileSync(job, SCALE)
    await until('it is ready', () => worker.err().includes('pymar-worker ready'), 10_000)
    worker.child.kill()
    assert.equal((await worker.ended).code, 0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a worker that waits for its broker ends when it is asked to', needs('amqp'), async () => {
  const worker = start([fileOf('../../packages/core/bin/pymar-worker.js'), '../jobs/busy.mjs', '-q', '127.0.0.1:1', '-w', '1'])
  await until('it says so', () => worker.err() !== '', 10_000)
  worker.child.kill()
  const { code, err } = await worker.ended
  assert.equal(code, 0)
  assert.match(
    err,
    /^pymar-worker: waits for its broker: Cannot connect to broker amqp:\/\/127\.0\.0\.1:1: Error: connect ECONNREFUSED 127\.0\.0\.1:1\npymar-worker: takes no more tasks, .+\n$/,
  )
})

test('a script whose broker cannot be reached says that it waits', async () => {
  const script = start(['guarded.mjs'], { PYMAR_QUEUE: 'user:secret@127.0.0.1:1' })
  await until('it says so', () => script.err() !== '', 10_000)
  script.child.kill()
  await script.ended
  assert.match(
    script.err(),
    /^pymar waits for its broker, for 30000 ms at most: Cannot connect to broker amqp:\/\/user:\*\*\*@127\.0\.0\.1:1: Error: connect ECONNREFUSED 127\.0\.0\.1:1\n$/,
  )
})

test('a worker that was asked twice to end does not wait for its slots', needs('amqp'), async (t) => {
  const { Chaos, Script } = await import('../jobs/chaos.mjs')
  const folder = mkdtempSync(join(tmpdir(), 'pymar-mark-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const mark = join(folder, 'mark')
  const worker = await startWorker(fileOf('../jobs/chaos.mjs'), '-p', 'Chaos', '-w', '1', '-v')
  const job = Chaos.map(new DataSourceFactory(Script, { params: { items: 1, deed: 'loop', mark } }), options())
  const cancelled = assert.rejects(job, { code: 'CANCELLED' })
  const slots = slotsOf(worker.child.pid as number)
  await until('it computes', () => existsSync(mark), 10_000)
  worker.child.kill()
  await until('it finishes', () => /finishes 1 task/.test(worker.said()))
  assert.equal(await worker.end(), 1)
  await until('its slot is gone', () => !slots.some(isAlive), 1500)
  job.cancel()
  await cancelled
})

test('a job goes on on this machine where the broker cannot be reached, if its producer says so', async () => {
  const script = start(['falls-back.mjs'], { PYMAR_QUEUE: 'user:secret@127.0.0.1:1' })
  const { code, out, err } = await script.ended
  assert.deepEqual([code, out], [0, '4950\n'])
  assert.match(
    err,
    /^Sum goes on on this machine's cores, as fallback is "local": Cannot connect to broker amqp:\/\/user:\*\*\*@127\.0\.0\.1:1/,
  )
})
