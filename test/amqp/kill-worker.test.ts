// needs: amqp
/*
 * Workers are killed in the middle of jobs, one after the other. `npm run kill-workers` does it a hundred times:
 *
 *   PYMAR_KILL_RUNS=N   runs. Default 5. Run N is that of seed N, and PYMAR_KILL_SEED=N does that one alone.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Busy, Items } from '../jobs/busy.mjs'
import { random } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { namespace, startWorker } from './workers.ts'

const BUSY = fileURLToPath(new URL('../jobs/busy.mjs', import.meta.url))
const ANSWER = Array.from({ length: 100 }, (_, i) => i).join(' ')
const only = process.env['PYMAR_KILL_SEED']
const runs = Number(process.env['PYMAR_KILL_RUNS'] ?? 5)
const seeds = only ? [Number(only)] : Array.from({ length: runs }, (_, i) => i + 1)

for (const seed of seeds) {
  test(`an answer is the same when workers are killed and others come: seed ${seed}`, needs('amqp'), async () => {
    const next = random(seed)
    let workers = await Promise.all([1, 2].map(() => startWorker(BUSY, '-w', '1', '-p', 'Busy')))
    const job = Busy.map(Items, { queue: serverUrl('amqp'), namespace, timeoutMs: 60_000 })
    const over = new AbortController()
    const killed = (async () => {
      for (let kills = 0; kills < 4 && !over.signal.aborted; kills++) {
        // Somewhere in the life of the job: the wait is what is random here.
        await sleep(next() * 120)
        const [victim, ...others] = workers
        victim?.child.kill('SIGKILL')
        workers = [...others, await startWorker(BUSY, '-w', '1', '-p', 'Busy')]
      }
    })()
    assert.equal(await job, ANSWER)
    over.abort()
    await killed
    await Promise.all(workers.map((worker) => worker.end()))
  })
}
