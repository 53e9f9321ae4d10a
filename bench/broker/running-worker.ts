import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const WORKER = fileURLToPath(new URL('../../packages/core/bin/pymar-worker.js', import.meta.url))

/** A `pymar-worker` in a process of its own. */
export class RunningWorker {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Resolves when it says that it is ready. */
  static async start(file: string, url: string, namespace: string, ...args: readonly string[]): Promise<RunningWorker> {
    const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env
    const command = [WORKER, file, '-q', url, '-w', '2', '--namespace', namespace, ...args]
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'pipe'], env })
    let said = ''
    const ready = new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk) => {
        said += chunk
        if (said.includes('ready')) resolve()
      })
    })
    const ended = once(child, 'close').then(() => {
      throw new Error(`A worker ended: ${said}`)
    })
    await Promise.race([ready, ended])
    ended.catch(() => {})
    return new RunningWorker(child)
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'close')
    this.#child.kill()
    await ended
  }
}
