import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { clearInterval, setInterval } from '../timers.ts'

/** A process that computes, or should. */
interface Watched {
  readonly pid: number
  readonly idle: boolean
  giveUp(how: string): void
}

/** How often it is looked, in milliseconds. */
const LOOK_MS = 5000
/** Looks in a row that find a process stopped, before it is given up: a script that was stopped with its slots may find itself going on before them. */
const LOOKS = 3

/**
 * Finds busy processes that somebody has stopped (SIGSTOP), which would neither end nor answer. Those that wait for a disk, or that a
 * debugger holds, are left alone.
 */
export class StoppedProcesses {
  readonly #busy: () => readonly Watched[]
  readonly #seen = new Map<Watched, number>()
  readonly #timer = setInterval(() => void this.#look(), LOOK_MS).unref()

  /** @param all The processes of whoever asks, as they are now. */
  constructor(all: () => Iterable<Watched>) {
    this.#busy = () => [...all()].filter(({ idle, pid }) => !idle && pid > 0)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #look() {
    const busy = this.#busy()
    const stopped = await Promise.all(busy.map(({ pid }) => isStopped(pid)))
    for (const one of this.#seen.keys()) if (!busy.includes(one)) this.#seen.delete(one)
    for (const [i, one] of busy.entries()) {
      const times = stopped[i] ? (this.#seen.get(one) ?? 0) + 1 : 0
      this.#seen.set(one, times)
      if (times >= LOOKS) one.giveUp(`it was stopped by a signal, for ${((LOOKS - 1) * LOOK_MS) / 1000} s or longer`)
    }
  }
}

/** On Linux the kernel says so in a file; elsewhere `ps` does, where there is one. */
async function isStopped(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') {
    return new Promise((resolve) => {
      execFile('ps', ['-o', 'stat=', '-p', String(pid)], (error, stdout) => resolve(!error && stdout.trim().startsWith('T')))
    })
  }
  try {
    // The state stands behind the name, which is in parentheses and may hold anything.
    return /\) T [^)]*$/.test(await readFile(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
