import { basename } from 'node:path'
import { POSITIVE } from '../checks.ts'
import { PymarError } from '../errors.ts'
import { codeOf } from '../job/code.ts'
import type { WorkerHandle, WorkerOptions } from '../options.ts'
import { brokerOf, jobFileUrl, start } from '../worker/start.ts'
import { codeChange } from './code-change.ts'
import { parserOf, toldUsage, UsageError } from './command.ts'

const EXIT_ERROR = 1

/** The `pymar-worker` command. */
export async function pymarWorker(argv: readonly string[]): Promise<void> {
  try {
    await parse(argv)
  } catch (error) {
    if (!toldUsage('pymar-worker', error)) throw error
  }
}

async function parse(argv: readonly string[]): Promise<void> {
  const parser = await parserOf('pymar-worker', argv, ['p', 'producer', 's', 'source'])
  const parsed = await parser
    .usage('$0 FILE [-p PRODUCER]... [-s SOURCE]... [-q QUEUE] [-w SLOTS]')
    .option('p', {
      alias: 'producer',
      type: 'string',
      array: true,
      nargs: 1,
      describe: 'class whose tasks are taken; all of the file where none is named',
    })
    .option('s', { alias: 'source', type: 'string', array: true, nargs: 1, describe: 'class that the file must export' })
    .option('q', {
      alias: 'queue',
      type: 'string',
      nargs: 1,
      describe: 'broker: host, host:port or an amqp(s):// URL; PYMAR_QUEUE, else localhost',
    })
    .option('w', { alias: 'workers', type: 'number', nargs: 1, describe: 'slots: processes that compute; the cores of this machine' })
    .option('slot-memory', { type: 'number', nargs: 1, describe: "heap of one slot in MiB; Node's own limit where it is not given" })
    .option('r', {
      alias: 'purge',
      type: 'boolean',
      describe: 'empty the task queues first: tasks of every script with this code; scripts that still run send theirs again',
    })
    .option('namespace', { type: 'string', nargs: 1, describe: 'keeps deployments on one broker apart' })
    .option('ack-timeout', {
      type: 'number',
      nargs: 1,
      describe: "milliseconds that the broker waits for acknowledgements, where its consumer_timeout is not RabbitMQ's default",
    })
    .option('watch', { type: 'boolean', describe: 'start again when the job file, or a file that it imports by a relative name, changes' })
    .option('v', { alias: 'verbose', type: 'boolean', describe: 'say what happens' })
    .check(({ w }) => {
      if (w === undefined || POSITIVE.holds(w)) return true
      throw new UsageError(`Cannot start ${w} slots as -w must be ${POSITIVE.rule}`)
    })
    .demandCommand(1, 1, 'Cannot start a worker without a job file', 'Cannot work on more than one job file')
    .parseAsync()
  const [file] = parsed._
  // Help and version are no work.
  if (file === undefined) return
  const options: WorkerOptions = {
    ...(parsed.p && { producers: parsed.p }),
    ...(parsed.s && { sources: parsed.s }),
    ...(parsed.q !== undefined && { queue: parsed.q }),
    ...(parsed.w !== undefined && { slots: parsed.w }),
    ...(parsed.slotMemory !== undefined && { slotMemory: parsed.slotMemory }),
    ...(parsed.r && { purge: true }),
    ...(parsed.namespace !== undefined && { namespace: parsed.namespace }),
    ...(parsed.ackTimeout !== undefined && { ackTimeoutMs: parsed.ackTimeout }),
    ...(parsed.v && { log: say }),
  }
  const ended = onSignal()
  // Neither sockets nor slots keep a process alive: a worker that waits for tasks, or for the last of them, is kept by this.
  const alive = setInterval(() => {}, 2 ** 30)
  await (parsed.watch ? workOnEach(String(file), options, ended) : workOn(String(file), options, ended))
  clearInterval(alive)
}

/** Works until it is ended, or cannot. @returns Whether it could. */
async function workOn(file: string, options: WorkerOptions, ended: AbortSignal): Promise<boolean> {
  try {
    const worker = await start(file, options, { signal: ended, say })
    console.error(readyLine(file, options, worker))
    const failure = await Promise.race([aborted(ended), worker.ended])
    await worker.close()
    if (failure === undefined) return true
    process.exitCode = EXIT_ERROR
    return false
  } catch (error) {
    if (ended.aborted) return true
    console.error(error instanceof PymarError ? `${error.code}: ${error.message}` : error)
    process.exitCode = EXIT_ERROR
    return false
  }
}

/** Works on the job file as it is, then as it is after each change. */
async function workOnEach(file: string, options: WorkerOptions, ended: AbortSignal): Promise<void> {
  const url = jobFileUrl(file)
  while (!ended.aborted) {
    const changed = codeChange(url, codeOf(url), ended)
    const over = new AbortController()
    void changed.then(() => over.abort())
    const worked = await workOn(file, options, over.signal)
    // What cannot be loaded now may be after the next change.
    if (!worked) say(`waits for a change of ${file}`)
    await changed
    if (!ended.aborted) say(`${file} has changed`)
    process.exitCode = undefined
  }
}

/** Aborted by the first signal that asks this process to end. One that comes before there is anything to finish ends it at once, and so does the second. */
function onSignal(): AbortSignal {
  const ended = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (ended.signal.aborted) process.exit(EXIT_ERROR)
      say('takes no more tasks, and ends when those that run have; a second signal ends it at once')
      ended.abort()
    })
  }
  return ended.signal
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function readyLine(file: string, options: WorkerOptions, { slots, served }: WorkerHandle): string {
  const names = served.map(({ producer, fingerprint }) => `${producer} (fingerprint ${fingerprint})`)
  return `pymar-worker ready: ${basename(file)} on ${brokerOf(options).shown} with ${slots} ${slots === 1 ? 'slot' : 'slots'} for ${names.join(', ')}`
}

function say(line: string): void {
  console.error(`pymar-worker: ${line}`)
}
