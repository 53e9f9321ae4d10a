import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { FromSlot, ToSlot } from './messages.ts'

export interface SlotSettings {
  /** Heap of the slot in MiB; Node's own limit where it is not given. */
  readonly memory?: number
}

export interface ProcessEvents {
  message(message: FromSlot): void
  /** The process has ended, and everything it said has been heard. */
  ended(exit: string): void
}

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url))
/** Flags that make a process do something else than run a module: watch, test, print, wait for a debugger. */
const NOT_INHERITED = /^(--inspect|--debug|--test|--watch|--check|-c$|--interactive|-i$|--run|--cpu-prof|--heap-prof|--prof$|--input-type|--env-file)/
const WITH_CODE = /^(-e|-p|-pe|--eval|--print)$/

/** The child process of a slot, seen from outside. */
export class SlotProcess {
  readonly #child: ChildProcess
  #ended = false

  constructor({ memory }: SlotSettings, events: ProcessEvents) {
    const limit = memory === undefined ? [] : [`--max-old-space-size=${memory}`]
    this.#child = fork(CHILD, [String(process.pid)], {
      serialization: 'advanced',
      // What user code prints goes to the script's stderr: stdout is the script's own.
      stdio: ['ignore', 2, 2, 'ipc'],
      execArgv: [...inheritedFlags(), ...limit],
    })
    // What keeps the starting process alive is the job that runs, not the slots that stay warm after it.
    this.#child.unref()
    this.#child.channel?.unref()
    // Node emits 'exit' and the channel's end in either order; what the slot had said arrives before the second of them.
    let exit: string | undefined
    let silent = false
    const check = () => {
      if (exit === undefined || !silent || this.#ended) return
      this.#ended = true
      events.ended(exit)
    }
    this.#child.on('message', (message) => events.message(message as FromSlot))
    this.#child.on('exit', (code, signal) => {
      exit = signal ? `signal ${signal}` : `exit code ${code}`
      check()
    })
    this.#child.on('disconnect', () => {
      silent = true
      check()
    })
    this.#child.on('error', (error) => {
      if (this.#child.pid !== undefined) return
      exit = `start failed: ${error.message}`
      silent = true
      check()
    })
  }

  /** Pid of the process, or 0 where it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0
  }

  send(message: ToSlot): void {
    // A slot that has just died cannot be told anything; that it died is on its way as an event.
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  /** Lets an idle slot end by itself. */
  end(): void {
    if (this.#child.connected) this.#child.disconnect()
  }

  /** Ends it now, whatever it is doing. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

/** The flags of this process that a slot needs too: loaders, conditions, warnings. */
function inheritedFlags(): string[] {
  const flags = ['--disable-warning=ExperimentalWarning']
  for (let i = 0; i < process.execArgv.length; i++) {
    const flag = process.execArgv[i] as string
    if (WITH_CODE.test(flag)) i++
    else if (!NOT_INHERITED.test(flag) && !/^--(eval|print)=/.test(flag)) flags.push(flag)
  }
  return flags
}
