import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'

/** How a server is run. */
export interface ServerProcessOptions {
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  readonly uid?: number
  readonly gid?: number
  /** What asks it to end. Default: SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
  /** From that signal to SIGKILL, in milliseconds. Default: 20,000. */
  readonly stopLimitMs?: number
}

const STOP_LIMIT_MS = 20_000
const START_LIMIT_MS = 90_000
const POLL_MS = 100
/** How long output is waited for when the process has ended but something that it started holds its pipes. */
const DRAIN_LIMIT_MS = 500
const TAIL_CHARACTERS = 2000

/**
 * A server in the foreground. It leads a process group of its own: Ctrl-C in the terminal reaches the harness alone,
 * which stops it in order, and SIGKILL takes what a wrapper script started with it.
 */
export class ServerProcess {
  /** How it ended; never rejects. */
  readonly exited: Promise<string>
  readonly #command: string
  readonly #child: ChildProcess
  readonly #stopSignal: NodeJS.Signals
  readonly #stopLimitMs: number
  readonly #kill = () => this.#killGroup()
  #tail = ''
  #stopped: Promise<void> | undefined

  constructor(command: string, args: readonly string[], options: ServerProcessOptions) {
    const { stopSignal = 'SIGTERM', stopLimitMs = STOP_LIMIT_MS, ...how } = options
    this.#command = command
    this.#stopSignal = stopSignal
    this.#stopLimitMs = stopLimitMs
    this.#child = spawn(command, args, { ...how, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#tail = (this.#tail + text).slice(-TAIL_CHARACTERS)
      })
    }
    this.exited = whenEnded(this.#child)
    process.on('exit', this.#kill)
  }

  /** The end of what it wrote. */
  get output(): string {
    return this.#tail.trim()
  }

  /**
   * Polls `failure` until it has nothing more to say.
   *
   * @param failure Why the server is not ready yet, or undefined.
   * @throws {Error} With the tail of the server's output, at once if it ends, or when it is not ready in time.
   */
  async untilReady(failure: () => Promise<string | undefined>, signal: AbortSignal): Promise<void> {
    const ended = this.exited.then((how) => {
      throw new Error(this.#notReady(`it ended with ${how}`))
    })
    for (const deadline = Date.now() + START_LIMIT_MS; ; await pause(POLL_MS)) {
      const why = await Promise.race([ended, failure()])
      signal.throwIfAborted()
      if (why === undefined) return
      if (Date.now() > deadline) throw new Error(this.#notReady(`it is not ready after ${START_LIMIT_MS / 1000} s (${why})`))
    }
  }

  /** Ends it, and what is left of its group; with SIGKILL if it does not end in time. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** Ends it as a fault would: it has no time to write anything down. */
  kill(): Promise<void> {
    this.#killGroup()
    return this.stop()
  }

  async #stop(): Promise<void> {
    this.#child.kill(this.#stopSignal)
    if (!(await within(this.exited, this.#stopLimitMs))) this.#killGroup()
    await this.exited
    this.#killGroup()
    process.off('exit', this.#kill)
  }

  #killGroup(): void {
    const { pid } = this.#child
    if (pid === undefined) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch (error) {
      // ESRCH: nothing is left, which is what was wanted. macOS says EPERM for a group of zombies.
      if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }

  #notReady(found: string): string {
    return `Cannot start ${this.#command}: ${found}; its last output: ${this.output || '(none)'}`
  }
}

function whenEnded(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => {
      const how = signal ? `signal ${signal}` : `exit code ${code}`
      const drained = setTimeout(resolve, DRAIN_LIMIT_MS, how)
      child.once('close', () => {
        clearTimeout(drained)
        resolve(how)
      })
    })
  })
}

/** Whether a promise settles in time. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController()
  const late = pause(ms, false, { signal: timer.signal }).catch(() => false)
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    timer.abort()
  }
}
