// The integration as one would write it by hand with worker_threads. As a script: node bench/integration/threads.mjs
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { mapFn, partitions, points, reduceFn } from './functions.mjs'

/** Threads that pull partitions, one at a time, as long as there are any. */
export class Threads {
  #workers

  /** @param file What runs in each thread: it answers `{ offset, limit }` with a partial. */
  constructor(count, file = import.meta.url) {
    this.#workers = Array.from({ length: count }, () => new Worker(new URL(file)))
  }

  async integrate(parts) {
    const partials = []
    let next = 0
    const pull = async (worker) => {
      while (next < parts.length) {
        const index = next++
        worker.postMessage(parts[index])
        const [partial] = await once(worker, 'message')
        partials[index] = partial
      }
    }
    await Promise.all(this.#workers.map(pull))
    return reduceFn(partials)
  }

  async close() {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }
}

if (!isMainThread) {
  parentPort?.on('message', ({ offset, limit }) => parentPort?.postMessage(reduceFn(mapFn(points(offset, limit)))))
} else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const threads = new Threads(availableParallelism())
  console.log((await threads.integrate(partitions())).toFixed(4))
  await threads.close()
}
