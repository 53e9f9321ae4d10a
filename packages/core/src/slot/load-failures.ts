import { fileURLToPath } from 'node:url'
import { PymarError } from '../errors.ts'
import type { JobFileAt } from '../job/job-file.ts'
import type { Exit } from './slot-process.ts'

/** Slots in a row that a signal may end while they load the job file, before that is called the file's fault. */
const FORGIVEN = 10

/** Slots that ended, or take long, while they import a job file: whose fault that is. */
export class LoadFailures {
  /** How many in a row, by file. */
  readonly #inARow = new Map<string, number>()
  /** Job files whose import was said to take long. */
  readonly #slow = new Set<string>()

  /** @returns An error for each job that needs this file, if it is the file's fault: one with a stack of its own, each time. */
  ended({ url }: JobFileAt, { how, cause }: Exit): (() => PymarError) | undefined {
    if (cause === 'launcher') return undefined
    const times = (this.#inARow.get(url) ?? 0) + 1
    this.#inARow.set(url, times)
    // A signal may come from anywhere; an exit while the file is imported is the file's own doing.
    if (cause === 'signal' && times <= FORGIVEN) return undefined
    const advice = cause === 'signal' ? '; see its last lines on stderr, and raise slotMemory if it ran out of memory' : ''
    const message = `Cannot load job file ${fileURLToPath(url)}: the slot ended with ${how} while it imported it${advice}`
    return () => new PymarError('JOB_FILE', message)
  }

  /** It was loaded, or given up. */
  over(file: JobFileAt | undefined): void {
    if (file) this.#inARow.delete(file.url)
  }

  /** Its import takes long, which is said once. */
  slow({ url }: JobFileAt): void {
    if (this.#slow.has(url)) return
    this.#slow.add(url)
    process.emitWarning(`Job file ${fileURLToPath(url)} is still being imported by a slot: its tasks wait for that`, 'PymarWarning')
  }
}
