// Workers in processes of their own, as users start them.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import { serverUrl } from '../servers/needs.ts'

export const WORKER = join(dirname(createRequire(import.meta.url).resolve('@pymar/core/package.json')), 'bin', 'pymar-worker.js')

/** Of this process alone: other runs may use the same broker. */
export const namespace = `test-${process.pid}`

export interface RunningWorker {
  readonly child: ChildProcess
  /** What it has said on stderr. */
  said(): string
  /** Ends it as an operator would, and gives its exit code. */
  end(): Promise<number | null>
}

/** Those that a failed test leaves behind. */
const running = new Set<ChildProcess>()
export async function killAll(): Promise<void> {
  const ended = Promise.all(Array.from(running, (child) => once(child, 'close')))
  for (const child of running) child.kill('SIGKILL')
  await ended
}
process.once('exit', () => void killAll())
// Outside of a test it would begin one.
if (process.env['NODE_TEST_CONTEXT']) after(killAll)

/** Starts `pymar-worker` with these arguments; resolves when it is ready, or has ended. */
export async function startWorker(file: string, ...args: readonly string[]): Promise<RunningWorker> {
  const broker = args.includes('-q') ? [] : ['-q', serverUrl('amqp')]
  const apart = args.includes('--namespace') ? [] : ['--namespace', namespace]
  const command = [WORKER, file, ...broker, ...apart, ...args]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  const ready = new Promise<void>((resolve) => {
    child.stderr.on('data', (chunk) => {
      said += chunk
      if (said.includes('pymar-worker ready')) resolve()
    })
  })
  running.add(child)
  const closed = once(child, 'close').finally(() => running.delete(child))
  await Promise.race([ready, closed])
  const end = async () => {
    child.kill()
    await closed
    return child.exitCode
  }
  return { child, said: () => said, end }
}
