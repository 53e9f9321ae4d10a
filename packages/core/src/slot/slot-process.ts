import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { clearTimeout, nextTick, setImmediate, setTimeout } from '../timers.ts'
import { bytesOf, type FromSlot, isFromSlot, type ToSlot } from './messages.ts'
import { prefixOutput } from './prefix-output.ts'

export interface SlotSettings {
  /** Heap of the slot in MiB; Node's own limit where it is not given. */
  readonly memory?: number
  /** What becomes of what it prints: it goes to stderr as it is, or with the slot before each line. Default: as it is. */
  readonly output?: 'plain' | 'prefixed'
  /** A process that does not say within so many milliseconds that it is up is given up. Default 60,000. */
  readonly startLimitMs?: number
}

export interface ProcessEvents {
  message(message: FromSlot): void
  /** The process has ended, and everything it said has been heard. */
  ended(exit: Exit): void
}

/** How a slot ended, in words, and whose doing that was. */
export interface Exit {
  readonly how: string
  /** `start`: the system's, which could not start it; `launcher`: it may be started in another way; else its own, or a signal's. */
  readonly cause: 'start' | 'launcher' | 'signal' | 'code'
}

/** Some fifty times what a start takes on a busy machine. */
const START_LIMIT_MS = 60_000
/** A slot without a pipe is killed after this long, in milliseconds. */
const GRACE_MS = 500
/** What can wait does so no longer than this, in milliseconds. */
const LATER_MS = 20
/** Messages that hold more bytes of values than this do not wait for others. */
const BATCH_BYTES = 2 ** 20
const CHILD = fileURLToPath(new URL('./child.js', import.meta.url))
/** Flags that a slot needs too, since they change what a module means or may do: loaders, conditions, limits, warnings. */
const INHERITED =
  /^(-r|-C|--(import|require|loader|conditions|max-|stack-|enable-|disable-|no-|trace-|experimental-|preserve-symlinks|use-|tls-|openssl-|icu-|dns-|unhandled-rejections|expose-gc|harmony))/
/** Not those, though they look like them: they are about the script, or write files of their own. */
const NOT_INHERITED = /^--(experimental-(test|default-type|sea)|trace-event|no-inherit)/

/** Asks the kernel to end a process with its parent; util-linux has it, from 2.33. */
const LAUNCHER = ['/usr/bin/setpriv', '--pdeathsig', 'KILL'] as const
let hasLauncher = process.platform === 'linux' && existsSync(LAUNCHER[0])

/** The child process of a slot, seen from outside. */
export class SlotProcess {
  readonly #child: ChildProcess | undefined
  readonly #events: ProcessEvents
  #outbox: ToSlot[] = []
  #outboxBytes = 0
  /** Whether it is about to be sent. */
  #flushes = false
  #laterTimer: NodeJS.Timeout | undefined
  readonly #launched = hasLauncher
  #up = false
  readonly #startTimer: NodeJS.Timeout | undefined
  #exit: Exit | undefined
  #silent = false
  /** Whether its end was asked for. */
  #ending = false
  #ended = false

  constructor(settings: SlotSettings, events: ProcessEvents) {
    const { startLimitMs = START_LIMIT_MS } = settings
    this.#events = events
    try {
      this.#child = forkSlot(this.#launched, settings)
    } catch (error) {
      this.#notStarted(error as Error)
      return
    }
    if (settings.output === 'prefixed') prefixOutput(this.#child)
    this.#startTimer = setTimeout(() => this.#tooLate(startLimitMs), startLimitMs).unref()
    // What keeps the starting process alive is the job that runs, not the slots that stay warm after it.
    this.#child.unref()
    this.#child.channel?.unref()
    this.#child.on('message', (message: unknown) => {
      // User code can write to the pipe too.
      if (!isFromSlot(message)) return
      this.#up = true
      clearTimeout(this.#startTimer)
      events.message(message)
    })
    this.#child.on('exit', (code, signal) =>
      this.#exited(signal ? { how: `signal ${signal}`, cause: 'signal' } : { how: `exit code ${code}`, cause: 'code' }),
    )
    this.#child.on('disconnect', () => {
      this.#exited(undefined)
      // One that lives on without its pipe is of no use, and would count as one more than there may be.
      setTimeout(() => this.kill(), GRACE_MS).unref()
    })
    this.#child.on('error', (error) => {
      if (this.#child?.pid === undefined) this.#notStarted(error)
    })
  }

  /** Pid of the process, or 0 where it could not be started. */
  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** What is sent in one turn goes together, since each message over the pipe costs as much as a tiny task. */
  send(message: ToSlot): void {
    this.#outbox.push(message)
    if (!this.#flushes) nextTick(() => this.#flush())
    this.#flushes = true
    this.#outboxBytes += bytesOf(message)
    if (this.#outboxBytes > BATCH_BYTES) this.#flush()
  }

  /** Goes with what is sent next, or in a while: it is not worth a message. */
  sendLater(message: ToSlot): void {
    this.#outbox.push(message)
    this.#laterTimer ??= setTimeout(() => this.#flush(), LATER_MS).unref()
  }

  #flush() {
    this.#flushes = false
    clearTimeout(this.#laterTimer)
    this.#laterTimer = undefined
    if (this.#outbox.length === 0) return
    const messages = this.#outbox
    this.#outbox = []
    this.#outboxBytes = 0
    // A slot that has just died cannot be told anything; that it died is on its way as an event.
    if (this.#child?.connected) this.#child.send(messages, () => {})
  }

  /** Told in a turn of its own, so that whoever starts another one at once leaves the event loop its due. */
  #notStarted(error: Error) {
    setImmediate(() => this.#exited({ how: error.message, cause: 'start' }))
  }

  #tooLate(limitMs: number) {
    this.#exit = { how: `it was not up within ${limitMs} ms`, cause: 'start' }
    this.kill()
  }

  /** Its exit and the end of its pipe come in either order; what it had said is heard before the second of them. */
  #exited(exit: Exit | undefined) {
    this.#exit ??= exit
    this.#silent ||= exit === undefined || exit.cause === 'start'
    if (!this.#exit || !this.#silent || this.#ended) return
    this.#ended = true
    clearTimeout(this.#startTimer)
    const launcherFailed = this.#launched && !this.#up && !this.#ending && this.#exit.cause === 'code'
    if (launcherFailed) hasLauncher = false
    this.#events.ended({ ...this.#exit, cause: launcherFailed ? 'launcher' : this.#causeOf(this.#exit) })
  }

  /** One that exits by itself before it is up was never started, whatever its flags made it do. */
  #causeOf({ cause }: Exit): Exit['cause'] {
    return cause === 'code' && !this.#up && !this.#ending ? 'start' : cause
  }

  /** Lets an idle slot end by itself. */
  end(): void {
    this.#ending = true
    this.#flush()
    if (this.#child?.connected) this.#child.disconnect()
  }

  /** Ends it now, and says why. */
  giveUp(how: string): void {
    this.#exit ??= { how, cause: 'signal' }
    this.kill()
  }

  /** Ends it now, whatever it is doing. */
  kill(): void {
    this.#ending = true
    this.#child?.kill('SIGKILL')
  }
}

function forkSlot(launched: boolean, { memory, output }: SlotSettings): ChildProcess {
  const [launcher, ...launcherArgs] = LAUNCHER
  const flags = [...inheritedFlags(), ...(memory === undefined ? [] : [`--max-old-space-size=${memory}`])]
  return fork(CHILD, [String(process.pid), launched ? 'signalled' : 'thread'], {
    serialization: 'advanced',
    // What user code prints goes to the script's stderr: stdout is the script's own.
    stdio: output === 'prefixed' ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 2, 2, 'ipc'],
    execArgv: launched ? [...launcherArgs, process.execPath, ...flags] : flags,
    ...(launched && { execPath: launcher }),
  })
}

/** The flags of this process that a slot needs too. A value that stands apart goes with its flag. */
function inheritedFlags(): string[] {
  let kept = false
  const flags = process.execArgv.filter((arg) => {
    // V8 takes its flags with underscores too.
    const flag = arg.replaceAll('_', '-')
    if (arg.startsWith('-')) kept = INHERITED.test(flag) && !NOT_INHERITED.test(flag)
    return kept
  })
  return ['--disable-warning=ExperimentalWarning', ...flags]
}
