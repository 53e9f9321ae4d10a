// needs: amqp
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startWorker as startInside } from '@pymar/core'
import { CHAOS, marks, start as startChaos } from '../chaos/row.ts'
import { Busy, Items } from '../jobs/busy.mjs'
import { isAlive, slotsOf, start, until } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { namespace, startWorker } from './workers.ts'

const BUSY = fileURLToPath(new URL('../jobs/busy.mjs', import.meta.url))
const options = () => ({ queue: serverUrl('amqp'), namespace })
const ANSWER = Array.from({ length: 100 }, (_, i) => i).join(' ')

test('a job that is sent before any worker is there says which one to start, and is computed when it comes', needs('amqp'), async () => {
  const script = start(['waits.mjs'], { PYMAR_QUEUE: serverUrl('amqp'), PYMAR_TEST_NAMESPACE: namespace })
  await until('the command is said', () => script.err().includes('start one: npx pymar-worker'), 10_000)
  assert.match(script.err(), /Busy waits: no worker takes its tasks; start one: npx pymar-worker \S*busy\.mjs -p Busy/)
  const worker = await startWorker(BUSY, '-w', '1')
  const { code, out } = await script.ended
  assert.deepEqual([code, out], [0, `${ANSWER}\n`])
  assert.equal(await worker.end(), 0)
})

test('a script may end with close()', needs('amqp'), async () => {
  const worker = await startWorker(BUSY, '-w', '1', '-p', 'Busy')
  const { code, out } = await start(['closes.mjs'], { PYMAR_QUEUE: serverUrl('amqp'), PYMAR_TEST_NAMESPACE: namespace }).ended
  assert.deepEqual([code, out], [0, `${ANSWER.length}\nclosed\n`])
  assert.equal(await worker.end(), 0)
})

test('a job fails with NO_WORKERS when none comes within workerTimeoutMs', needs('amqp'), async () => {
  const job = Busy.map(Items, { ...options(), namespace: `${namespace}-empty`, workerTimeoutMs: 300 })
  await assert.rejects(job, { code: 'NO_WORKERS', message: /within workerTimeoutMs 300: .*start one: npx pymar-worker .* -p Busy/ })
})

test('a slot ends within a second of the SIGKILL of its worker, in an endless loop too', needs('amqp'), async (t) => {
  const mark = marks(t)
  const worker = await startWorker(CHAOS, '-p', 'Chaos', '-w', '1')
  const job = startChaos({ items: 1, deed: 'loop', mark: mark.path }, options())
  const cancelled = assert.rejects(job, { code: 'CANCELLED' })
  const slots = slotsOf(worker.child.pid as number)
  assert.equal(slots.length, 1)
  await until('it computes', () => mark.all().length === 1, 10_000)
  worker.child.kill('SIGKILL')
  await until('its slot is gone', () => !slots.some(isAlive), 1500)
  job.cancel()
  await cancelled
})

test('a worker is free for others after its producer was killed', needs('amqp'), async () => {
  const worker = await startWorker(fileURLToPath(new URL('../jobs/faults.ts', import.meta.url)), '-w', '1')
  const script = start(['--import', 'tsx', 'orphan-job.mjs'], { PYMAR_QUEUE: serverUrl('amqp'), PYMAR_TEST_NAMESPACE: namespace })
  await until('its job runs', () => script.err().includes('running'), 15_000)
  script.child.kill('SIGKILL')
  await script.ended
  const { Sum } = await import('../jobs/faults.ts')
  assert.equal(await Sum.map([1, 2, 3], { ...options(), timeoutMs: 30_000 }), 6)
  assert.equal(await worker.end(), 0)
})

test('workers on other paths and with other line ends are found, those with another relative import are not', needs('amqp'), async () => {
  const folder = mkdtempSync(fileURLToPath(new URL('../scripts/.same-', import.meta.url)))
  const write = (name: string, factor: number, lineEnd: string) => {
    mkdirSync(join(folder, name))
    const job = [
      "import { Producer } from '@pymar/core'",
      "import { factor } from './factor.mjs'",
      'export class Scale extends Producer {',
      '  static mapFn(xs) { return Array.from(xs, (x) => x * factor) }',
      '  static reduceFn(values) { let sum = 0; for (const value of values) sum += value; return sum }',
      '}',
    ]
    writeFileSync(join(folder, name, 'job.mjs'), job.join(lineEnd))
    writeFileSync(join(folder, name, 'factor.mjs'), `export const factor = ${factor}${lineEnd}`)
    return join(folder, name, 'job.mjs')
  }
  try {
    const [one, same, other] = [write('one', 10, '\n'), write('same', 10, '\r\n'), write('other', 1000, '\n')]
    const { Scale } = await import(pathToFileURL(one).href)
    const wrong = await startWorker(other, '-w', '1')
    await assert.rejects(Scale.map([1, 2], { ...options(), workerTimeoutMs: 5000 }), {
      code: 'NO_WORKERS',
      message:
        /no worker takes its tasks, and a worker of that name runs other code \(\S+ has fingerprint \S+, this script \S+\); start one: /,
    })
    const right = await startWorker(same, '-w', '1')
    assert.equal(await Scale.map([1, 2], options()), 30)
    await Promise.all([wrong.end(), right.end()])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a job whose tasks were purged is computed all the same', needs('amqp'), async () => {
  const job = Busy.map(Items, options())
  const worker = await startWorker(BUSY, '-w', '1', '-r')
  assert.equal(await job, ANSWER)
  assert.match(worker.said(), /removed \d+ messages? of tasks from pymar\.\d+\.\S+\.Busy\./)
  assert.equal(await worker.end(), 0)
})

test('a worker that cannot start says what is missing', needs('amqp'), async () => {
  for (const [args, said] of [
    [
      [BUSY, '-p', 'None'],
      /^JOB_FILE: Cannot find producer "None" in .*busy\.mjs: of producers it exports Busy, Pids; write "export class None"/,
    ],
    [
      [BUSY, '-p', 'Items'],
      /^JOB_FILE: Cannot take "Items" of .*busy\.mjs for a producer: it is a source; producers there are Busy, Pids\n$/,
    ],
    [[BUSY, '-s', 'None'], /Cannot find source "None" in .*busy\.mjs: of sources it exports Items; /],
    [['no-such.mjs'], /^JOB_FILE: Cannot load job file .*no-such\.mjs: there is no such file\n$/],
    [[BUSY.replace('.mjs', '')], /^JOB_FILE: Cannot load job file .*busy: there is no such file\n$/],
    [[fileURLToPath(new URL('../scripts/throws.mjs', import.meta.url))], /RangeError: while it was imported/],
  ] as const) {
    const [file, ...rest] = args
    const worker = await startWorker(file, ...rest, '-w', '1')
    assert.equal(worker.child.exitCode, 1)
    assert.match(worker.said(), said)
  }
  for (const [args, said] of [
    [['-w', '0'], 'Cannot start 0 slots as -w must be an integer from 1 to 2^53 - 1'],
    [['-w', '1', '-w', '2'], 'Cannot read -w: it may be given once, and is given 2 times'],
    [['--namespace', 'a', '--namespace', 'b', '-v', '-v'], 'Cannot read --namespace: it may be given once, and is given 2 times'],
  ] as const) {
    const worker = await startWorker(BUSY, ...args)
    assert.equal(worker.child.exitCode, 2)
    assert.equal(worker.said(), `${said}; see pymar-worker --help\n`)
  }
})

test('a worker inside a program takes tasks until it is closed', needs('amqp'), async () => {
  const job = Busy.map(Items, options())
  {
    await using worker = await startInside(pathToFileURL(BUSY), { ...options(), slots: 2 })
    assert.equal(worker.served.length, 2)
    assert.equal(await job, ANSWER)
  }
  await until('its slots are gone', () => slotsOf(process.pid).length <= 1)
  assert.ok(readFileSync(BUSY, 'utf8').includes('class Busy'))
})
