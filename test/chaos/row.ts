// What the tests of the fault table share.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DataSourceFactory, type MapOptions, type ProducerOptions } from '@pymar/core'
import { killAll, namespace, type RunningWorker, startWorker } from '../amqp/workers.ts'
import { inline } from '../conformance/transports.ts'
import { Chaos, type ChaosParams, Script } from '../jobs/chaos.mjs'
import { random } from '../processes.ts'
import { makeTemporaryFolder } from '../servers/temporary-folder.ts'
import { PATIENT } from './own-node.ts'

export const CHAOS = fileURLToPath(new URL('../jobs/chaos.mjs', import.meta.url))
const SEED = Number(process.env['PYMAR_SEED'] ?? 1)

/** A row of the fault table, or a part of one. What is left to chance is decided by a seed: PYMAR_SEED, 1 by default. */
export function row(title: string, options: { skip?: string | false }, body: (next: () => number, t: TestContext) => Promise<void>): void {
  test(title, options, async (t) => {
    try {
      await body(random(SEED), t)
    } catch (error) {
      t.diagnostic(`this was seed ${SEED}; again: PYMAR_SEED=${SEED} npm test -- chaos`)
      throw error
    } finally {
      // What a row leaves behind is not the next one's.
      await killAll()
    }
  })
}

/** A job of {@link Chaos}. */
export function start(params: ChaosParams, options: MapOptions & ProducerOptions) {
  return Chaos.map(new DataSourceFactory(Script, { params }), { timeoutMs: 120_000, ...options })
}

/** What it must give, whatever happens: what this process computes by itself. */
export function answer(items: number): Promise<number> {
  return inline.map(Chaos, new DataSourceFactory(Script, { params: { items } }))
}

/** A job in whose middle something happens, with a worker that is of use afterwards. @param happen May let the job go on before it is over. */
export async function inTheMiddle(
  { queue, next, t }: { readonly queue: string; readonly next: () => number; readonly t: TestContext },
  happen: (worker: RunningWorker, goOn: () => void) => Promise<unknown>,
): Promise<void> {
  const worker = await startWorker(CHAOS, '-w', '2', '-p', 'Chaos', '-q', queue)
  const end = gate(t)
  const job = start({ items: 120, ms: 5, held: 60, gate: end.path }, { queue, namespace, ...PATIENT })
  let left = 1 + Math.floor(next() * 10)
  for await (const _ of job.partials()) if (--left === 0) break
  await happen(worker, end.open)
  end.open()
  assert.equal(await job, await answer(120))
  assert.equal(await start({ items: 40 }, { queue, namespace }), await answer(40))
  assert.equal(await worker.end(), 0)
}

/** What items of a job wait for, so that it is not over before; not longer than the test. */
export function gate(t: TestContext) {
  const folder = makeTemporaryFolder('pymar-gate')
  t.after(() => folder.remove())
  const path = join(folder.path, 'open')
  return { path, open: () => writeFileSync(path, '') }
}

/** A file that partitions leave marks in. */
export function marks(t: TestContext) {
  const folder = makeTemporaryFolder('pymar-marks')
  t.after(() => folder.remove())
  const path = join(folder.path, 'marks')
  const lines = () => {
    try {
      return readFileSync(path, 'utf8').trim().split('\n')
    } catch {
      return []
    }
  }
  /** Which partition began, in which attempt, in which process; in that order. */
  const all = () => lines().map((line) => line.split(' ').map(Number) as [index: number, attempt: number, pid: number])
  return { path, folder: folder.path, all }
}
