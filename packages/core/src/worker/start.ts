import { statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { BOOLEAN, type Check, checkOptions, POSITIVE, TIME_MS } from '../checks.ts'
import { PymarError } from '../errors.ts'
import { readJobFile } from '../job/job-file.ts'
import type { ExportedClass } from '../job/load.ts'
import { PRODUCER_OPTIONS, type WorkerHandle, type WorkerOptions } from '../options.ts'
import { SlotPool } from '../slot/pool.ts'
import { keepAlive } from '../timers.ts'
import { type Broker, readBroker } from '../wire/broker-url.ts'
import { checkClassName } from '../wire/names.ts'
import { Worker } from './worker.ts'

const GRACE_MS = 30_000
/** RabbitMQ's own default of consumer_timeout. */
const ACK_TIMEOUT_MS = 30 * 60_000
const areNames: Check = {
  holds: (value) => Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== ''),
  rule: 'a list of class names',
}
const WORKER_OPTIONS: Readonly<Record<keyof WorkerOptions, Check>> = {
  queue: PRODUCER_OPTIONS.queue,
  producers: { holds: (value) => areNames.holds(value) && (value as unknown[]).length > 0, rule: 'a list of one class name or more' },
  sources: areNames,
  slots: POSITIVE,
  slotMemory: POSITIVE,
  tls: PRODUCER_OPTIONS.tls,
  namespace: PRODUCER_OPTIONS.namespace,
  purge: BOOLEAN,
  graceMs: { holds: (value) => value === 0 || TIME_MS.holds(value), rule: 'a number of milliseconds from 0 and below 2^31' },
  ackTimeoutMs: TIME_MS,
  log: { holds: (value) => typeof value === 'function', rule: 'a function' },
}

/** The URL of a job file that was named by a path, from the working directory, or by a URL. */
export function jobFileUrl(file: string | URL): string {
  return file instanceof URL ? file.href : pathToFileURL(resolve(file)).href
}

/** The broker that a worker's options name. */
export function brokerOf({ queue = process.env['PYMAR_QUEUE'] }: WorkerOptions): Broker {
  return readBroker(queue || 'localhost')
}

/**
 * See `startWorker()` in ../start-worker.ts, which loads this when it is called.
 *
 * @param command.signal Ends a worker that is not ready yet.
 * @param command.say Says what an operator should know. Default: as a warning of the process.
 */
export async function start(
  file: string | URL,
  options: WorkerOptions = {},
  { signal, say = warn }: { readonly signal?: AbortSignal; readonly say?: (line: string) => void } = {},
): Promise<WorkerHandle> {
  checkOptions('startWorker()', options, WORKER_OPTIONS)
  const { slots = availableParallelism(), slotMemory, namespace = 'default', tls } = options
  const { purge = false, graceMs = GRACE_MS, ackTimeoutMs = ACK_TIMEOUT_MS, log = () => {} } = options
  const link = { broker: brokerOf(options), timeoutMs: Number.POSITIVE_INFINITY, ...(tls && { tls }) }
  const url = jobFileUrl(file)
  // A name without its ending would load, but not be the file whose text says which code this is.
  if (!statSync(new URL(url), { throwIfNoEntry: false })?.isFile()) {
    throw new PymarError('JOB_FILE', `Cannot load job file ${fileURLToPath(url)}: there is no such file`)
  }
  const at = await readJobFile(url)
  const pool = new SlotPool({ slots, output: 'prefixed', ...(slotMemory !== undefined && { memory: slotMemory }) })
  let worker: Worker | undefined
  try {
    const classes = await keepAlive(orAborted(pool.preload(at), signal))
    const producers = choose('producer', classes, options.producers, at.url)
    choose('source', classes, options.sources ?? [], at.url)
    const started = new Worker({ link, namespace, file: at, pool, producers, purge, ackTimeoutMs, graceMs, log, say })
    worker = started
    await keepAlive(orAborted(started.start(), signal))
    const close = () => started.close(graceMs)
    return {
      get id() {
        return started.id
      },
      slots,
      served: started.served,
      ended: started.ended,
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await (worker ? worker.close(0) : pool.close())
    throw error
  }
}

function warn(line: string): void {
  process.emitWarning(line, 'PymarWarning')
}

async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  const aborted = new Promise<never>((_, reject) => {
    const abort = () =>
      reject(new PymarError('CANCELLED', 'Cannot start a worker: it was ended before it was ready', { cause: signal.reason }))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
  })
  promise.catch(() => {})
  return Promise.race([promise, aborted])
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
  return [...new Set(names ?? all.map(({ name }) => name))].map((name) => {
    const found = all.find((one) => one.name === name)
    if (found) {
      checkClassName(kind, name)
      return found
    }
    const other = classes.find((one) => one.name === name)
    if (other)
      throw new PymarError('JOB_FILE', `Cannot take "${name}" of ${path} for a ${kind}: it is a ${other.kind}; ${kind}s there are ${list}`)
    throw new PymarError(
      'JOB_FILE',
      `Cannot find ${kind} "${name}" in ${path}: of ${kind}s it exports ${list}; write "export class ${name}" there, or pass one of these`,
    )
  })
}
