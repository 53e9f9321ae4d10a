import { basename } from 'node:path'
import { PymarError } from '../errors.ts'
import type { WorkerOptions } from '../options.ts'
import { readBroker } from '../wire/broker-url.ts'
import { start } from '../worker/start.ts'
import { parserOf, toldUsage } from './command.ts'

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
  const parser = await parserOf('pymar-worker', argv)
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
    .option('r', {
      alias: 'purge',
      type: 'boolean',
      describe: 'empty the task queues first: tasks of every script with this code; scripts that still run send theirs again',
    })
    .option('namespace', { type: 'string', nargs: 1, describe: 'keeps deployments on one broker apart' })
    .option('v', { alias: 'verbose', type: 'boolean', describe: 'say what happens' })
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
    ...(parsed.r && { purge: true }),
    ...(parsed.namespace !== undefined && { namespace: parsed.namespace }),
    ...(parsed.v && { log: (line: string) => console.error(`pymar-worker: ${line}`) }),
  }
  await work(String(file), options)
}

async function work(file: string, options: WorkerOptions): Promise<void> {
  // Neither sockets nor slots keep a process alive: a worker that waits for tasks, or for the last of them, is kept by this.
  const alive = setInterval(() => {}, 2 ** 30)
  const ended = new Promise<void>((signalled) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => signalled())
  })
  try {
    const worker = await start(file, options)
    const { shown } = readBroker(options.queue ?? process.env['PYMAR_QUEUE'] ?? 'localhost')
    console.error(`pymar-worker ready: ${basename(file)} on ${shown}, takes tasks from ${worker.queues.join(', ')}`)
    await ended
    // The second one ends it at once.
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(EXIT_ERROR))
    await worker.close()
  } catch (error) {
    console.error(error instanceof PymarError ? `${error.code}: ${error.message}` : error)
    process.exitCode = EXIT_ERROR
  }
  clearInterval(alive)
}
