import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { BOOLEAN, type Check, COUNT, checkOptions, POSITIVE } from '../checks.ts'
import { PymarError } from '../errors.ts'
import { jobFileAt } from '../job/job-file.ts'
import type { ExportedClass } from '../job/load.ts'
import { PRODUCER_OPTIONS, type WorkerHandle, type WorkerOptions } from '../options.ts'
import { SlotPool } from '../slot/pool.ts'
import { readBroker } from '../wire/broker-url.ts'
import { Worker } from './worker.ts'

const GRACE_MS = 30_000
const areNames: Check = {
  holds: (value) => Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== ''),
  rule: 'a list of class names',
}
const WORKER_OPTIONS: Readonly<Record<keyof WorkerOptions, Check>> = {
  queue: PRODUCER_OPTIONS.queue,
  producers: areNames,
  sources: areNames,
  slots: POSITIVE,
  slotMemory: POSITIVE,
  tls: PRODUCER_OPTIONS.tls,
  namespace: PRODUCER_OPTIONS.namespace,
  purge: BOOLEAN,
  graceMs: COUNT,
  log: { holds: (value) => typeof value === 'function', rule: 'a function' },
}

/** See `startWorker()` in ../start-worker.ts, which loads this when it is called. */
export async function start(file: string | URL, options: WorkerOptions = {}): Promise<WorkerHandle> {
  checkOptions('startWorker()', options, WORKER_OPTIONS)
  const {
    slots = availableParallelism(),
    slotMemory,
    namespace = 'default',
    tls,
    purge = false,
    graceMs = GRACE_MS,
    log = () => {},
  } = options
  const broker = readBroker(options.queue ?? process.env['PYMAR_QUEUE'] ?? 'localhost')
  const at = await jobFileAt(file instanceof URL ? file.href : pathToFileURL(resolve(file)).href)
  const pool = new SlotPool({ slots, ...(slotMemory !== undefined && { memory: slotMemory }) })
  // Slots do not keep a process alive, and what is awaited here must.
  const alive = setInterval(() => {}, 2 ** 30)
  try {
    const classes = await pool.preload(at)
    const producers = choose('producer', classes, options.producers, at.url)
    choose('source', classes, options.sources ?? [], at.url)
    const link = { broker, timeoutMs: Number.POSITIVE_INFINITY, ...(tls && { tls }) }
    const worker = new Worker({ link, namespace, file: at, pool, producers, purge, log })
    await worker.start()
    const close = () => worker.close(graceMs)
    return { id: worker.id, queues: worker.served.map(({ queue }) => queue), close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await pool.close()
    throw error
  } finally {
    clearInterval(alive)
  }
}

/** The classes of these names, or all where none are named. */
function choose(
  kind: ExportedClass['kind'],
  classes: readonly ExportedClass[],
  names: readonly string[] | undefined,
  url: string,
): ExportedClass[] {
  const all = classes.filter((one) => one.kind === kind)
  const path = fileURLToPath(url)
  const list = all.map(({ name }) => name).join(', ') || 'none'
  if (names === undefined && all.length === 0) {
    throw new PymarError('JOB_FILE', `Cannot work on ${path}: it exports no ${kind}; export the classes that scripts start jobs of`)
  }
  return (names ?? all.map(({ name }) => name)).map((name) => {
    const found = all.find((one) => one.name === name)
    if (found) return found
    throw new PymarError(
      'JOB_FILE',
      `Cannot find ${kind} "${name}" in ${path}: of ${kind}s it exports ${list}; write "export class ${name}" there, or pass one of these`,
    )
  })
}
