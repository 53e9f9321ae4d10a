// needs: amqp
// The fault table: workers and slots that die, stop, or never answer.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { namespace, type RunningWorker, startWorker } from '../amqp/workers.ts'
import { slotsOf, until } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { TcpProxy } from '../tcp-proxy.ts'
import { answer, CHAOS, gate, marks, row, start } from './row.ts'

const amqp = needs('amqp')
const broker = () => ({ queue: serverUrl('amqp'), namespace })
const pidOf = ({ child }: RunningWorker) => child.pid as number
/** With short heartbeats, a silent worker is given up within seconds. */
const impatient = (url: string) => `${url}${url.endsWith('/') ? '' : '/'}?heartbeat=1`

row('worker SIGKILL before, during and after computing', amqp, async (next) => {
  const expected = await answer(120)
  for (let run = 0; run < 3; run++) {
    let workers = await Promise.all([1, 2].map(() => startWorker(CHAOS, '-w', '1', '-p', 'Chaos')))
    const job = start({ items: 120, ms: 3 }, broker())
    const over = new AbortController()
    const killed = (async () => {
      for (let kills = 0; kills < 3 && !over.signal.aborted; kills++) {
        // Somewhere in the life of the job, and of a partition.
        await sleep(next() * 150)
        const [victim, ...others] = workers
        victim?.child.kill('SIGKILL')
        workers = [...others, await startWorker(CHAOS, '-w', '1', '-p', 'Chaos')]
      }
    })()
    assert.equal(await job, expected)
    over.abort()
    await killed
    for (const worker of workers) assert.equal(await worker.end(), 0)
  }
})

row('worker SIGKILL after replying and before acking: counted once', amqp, async (_, t) => {
  const mark = marks(t)
  const proxy = await TcpProxy.open(serverUrl('amqp'))
  t.after(() => proxy.close())
  const first = await startWorker(CHAOS, '-w', '1', '-p', 'Chaos', '-q', proxy.url)
  // What the broker confirms does not arrive, so nothing is acknowledged.
  let replied = false
  proxy.watch = (direction, bytes) => {
    if (direction === 'up' && bytes.includes('"type":"partial"')) replied = true
    return !(replied && direction === 'down')
  }
  const job = start({ items: 4, ms: 50, mark: mark.path }, broker())
  const partials = job.partials()[Symbol.asyncIterator]()
  await partials.next()
  first.child.kill('SIGKILL')
  const second = await startWorker(CHAOS, '-w', '1', '-p', 'Chaos')
  assert.equal(await job, await answer(4))
  let counted = 1
  for (; !(await partials.next()).done; counted++);
  assert.equal(counted, 4)
  assert.ok(mark.all().length > 4, 'one was computed again')
  assert.equal(await second.end(), 0)
})

row('all workers killed, new ones started later: the job goes on', amqp, async (next) => {
  const workers = await Promise.all([1, 2].map(() => startWorker(CHAOS, '-w', '2', '-p', 'Chaos')))
  const job = start({ items: 200, ms: 2 }, broker())
  for await (const _ of job.partials()) if (next() < 0.2) break
  for (const { child } of workers) child.kill('SIGKILL')
  await sleep(1500)
  const later = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos')
  assert.equal(await job, await answer(200))
  assert.equal(await later.end(), 0)
})

row('worker SIGSTOP, then SIGCONT: redone elsewhere, the late answer is dropped', amqp, async (_, t) => {
  const mark = marks(t)
  const [stopped, other] = (await Promise.all(
    [1, 2].map(() => startWorker(CHAOS, '-w', '1', '-p', 'Chaos', '-v', '-q', impatient(serverUrl('amqp')))),
  )) as [RunningWorker, RunningWorker]
  const end = gate(t)
  const job = start({ items: 40, ms: 20, mark: mark.path, gate: end.path }, { ...broker(), speculation: false })
  await until('both compute', () => mark.all().length === 2)
  const slots = slotsOf(pidOf(stopped))
  for (const pid of [pidOf(stopped), ...slots]) process.kill(pid, 'SIGSTOP')
  end.open()
  assert.equal(await job, await answer(40))
  for (const pid of [...slots, pidOf(stopped)]) process.kill(pid, 'SIGCONT')
  // It finds its way back, and is of use to the next job.
  await until('it is back', () => /connected again/.test(stopped.said()), 20_000)
  assert.equal(await other.end(), 0)
  assert.equal(await start({ items: 40 }, broker()), await answer(40))
  assert.equal(await stopped.end(), 0)
})

row('slot SIGSTOP: redone elsewhere, near the end by a copy, and else after a while', amqp, async (_, t) => {
  const mark = marks(t)
  const worker = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos')
  // One of many partitions: the others say how long it should take.
  let began = performance.now()
  assert.equal(await start({ items: 40, ms: 5, deed: 'stop', at: 11, times: 1, mark: mark.path }, broker()), await answer(40))
  assert.ok(performance.now() - began < 9000, `a copy, after ${performance.now() - began} ms`)
  assert.equal(mark.all().filter(([index]) => index === 11).length, 2)
  // The only one: nothing says how long it should take.
  began = performance.now()
  assert.equal(await start({ items: 1, deed: 'stop', at: 0, times: 1, mark: marks(t).path }, broker()), await answer(1))
  assert.ok(performance.now() - began < 30_000)
  // On this machine too.
  assert.equal(await start({ items: 1, deed: 'stop', at: 0, times: 1, mark: marks(t).path }, { slots: 2 }), await answer(1))
  assert.equal(await worker.end(), 0)
})

for (const [what, deed, code, message] of [
  ['out of memory by arrays', 'array', 'WORKER_LOST', /signal SIG(ABRT|TRAP)|exit code/],
  ['out of memory by a Map', 'map', 'WORKER_LOST', /signal SIG(ABRT|TRAP)|exit code/],
  ['out of memory by a buffer', 'buffer', 'USER_ERROR', /Array buffer allocation failed|Invalid array buffer length/],
  ['process.exit()', 'exit', 'WORKER_LOST', /exit code 3/],
  ['abort', 'abort', 'WORKER_LOST', /signal SIGABRT/],
  ['in an endless loop', 'loop', 'TIMEOUT', /partitionTimeoutMs 1500/],
  ['with a promise that never settles', 'never', 'TIMEOUT', /partitionTimeoutMs 1500/],
] as const) {
  row(`slot ${what}: ${code}, and other slots and jobs are untouched`, amqp, async () => {
    const worker = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '--slot-memory', '64')
    const healthy = start({ items: 200, ms: 10 }, broker())
    const limit = code === 'TIMEOUT' ? { partitionTimeoutMs: 1500 } : {}
    await assert.rejects(start({ items: 4, deed, at: 2 }, { ...broker(), maxAttempts: 2, ...limit }), (error: Error & { code: string }) => {
      assert.equal(error.code, code, String(error))
      assert.match(error.message, /partition 2 of 4/)
      assert.match(error.message, message)
      return true
    })
    assert.equal(await healthy, await answer(200))
    assert.equal(await start({ items: 40 }, broker()), await answer(40))
    assert.equal(await worker.end(), 0)
  })
}

row('poison partition: WORKER_LOST after maxAttempts, with host, pid and exit of each attempt', amqp, async (_, t) => {
  const mark = marks(t)
  const worker = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos')
  await assert.rejects(start({ items: 4, deed: 'kill', at: 1, mark: mark.path }, broker()), (error: Error & { code: string }) => {
    assert.equal(error.code, 'WORKER_LOST')
    const pids = mark
      .all()
      .filter(([index]) => index === 1)
      .map(([, , pid]) => pid)
    assert.equal(pids.length, 3)
    for (const pid of pids) assert.match(error.message, new RegExp(`pid ${pid} \\(signal SIGKILL\\)`))
    return true
  })
  assert.equal(await worker.end(), 0)
})

row('poison partition that ends whole workers: WORKER_LOST too', amqp, async () => {
  // What a supervisor does.
  let workers: RunningWorker[] = []
  const over = new AbortController()
  const supervised = (async () => {
    while (!over.signal.aborted) {
      const worker = await startWorker(CHAOS, '-w', '1', '-p', 'Chaos')
      workers.push(worker)
      if (worker.child.exitCode === null && worker.child.signalCode === null)
        await once(worker.child, 'exit', { signal: over.signal }).catch(() => {})
    }
  })()
  await assert.rejects(start({ items: 4, ms: 50, deed: 'killWorker', at: 1 }, broker()), (error: Error & { code: string }) => {
    assert.equal(error.code, 'WORKER_LOST')
    const pids = workers.map(pidOf).filter((pid) => error.message.includes(`pid ${pid} (its worker is gone)`))
    assert.equal(pids.length, 3, error.message)
    return true
  })
  over.abort()
  await supervised
  workers = workers.filter(({ child }) => child.exitCode === null && child.signalCode === null)
  for (const worker of workers) await worker.end()
})
