import { inspect } from 'node:util'

/**
 * What went wrong, in one word: what a program may branch on.
 *
 * - `INVALID_ARGUMENT`: a bad option, `WORKERS_NUMBER`, `fullLength`, source, offset, limit or plan; a producer that is closed or has
 *   no `mapFn`.
 * - `JOB_FILE`: the job file cannot be loaded, does not export the class, exports another one of its name, or starts a job while a slot
 *   imports it.
 * - `USER_ERROR`: user code threw, or `mapFn` returned no iterable; `cause` is its error.
 * - `SOURCE_FAILED`: a source says that it cannot be read; `cause` is the driver's error.
 * - `UNSERIALIZABLE`: a partial, item, hint or params cannot be sent.
 * - `TOO_LARGE`: one partial or one slice takes more than 2,000,000,000 bytes.
 * - `WORKER_LOST`: a partition used up its attempts, each of which ended with the process; or no slot can be started.
 * - `TIMEOUT`: `timeoutMs` or `partitionTimeoutMs` ran out.
 * - `CANCELLED`: `cancel()`, `signal`, `close()` or Ctrl-C; `cause` is the reason.
 * - `BROKER`: the broker refused us, or there was no connection to it for `brokerTimeoutMs`, or it took nothing for so long.
 * - `NO_WORKERS`: no worker took the job's tasks within `workerTimeoutMs`; the message has the command that starts one.
 * - `CHECKPOINT`: the file is another job's, is open elsewhere, cannot be read or written, or the plan rests on what another process does not have.
 * - `UNTRUSTED`: reserved for signatures.
 */
export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'JOB_FILE'
  | 'USER_ERROR'
  | 'SOURCE_FAILED'
  | 'UNSERIALIZABLE'
  | 'TOO_LARGE'
  | 'WORKER_LOST'
  | 'NO_WORKERS'
  | 'BROKER'
  | 'UNTRUSTED'
  | 'CHECKPOINT'
  | 'TIMEOUT'
  | 'CANCELLED'

/** Marks an error of ours whichever copy of this package made it. */
const BRAND = Symbol.for('@pymar/core/error')

/**
 * The one class of every error that this framework raises.
 *
 * `error instanceof PymarError` also holds when two copies of the package are installed. Where user code threw, `cause`
 * is its error: class name, own fields, message, the stack of the process where it was thrown, and its own `cause`.
 *
 * @example
 * ```ts
 * import { Producer, PymarError } from '@pymar/core'
 *
 * export class Sum extends Producer<number> {
 *   static mapFn(xs: Iterable<number>) {
 *     return xs
 *   }
 *   static reduceFn(values: Iterable<number>) {
 *     return Array.from(values).reduce((a, b) => a + b, 0)
 *   }
 * }
 *
 * try {
 *   await Sum.map([1, 2, 3], { timeoutMs: 1000 })
 * } catch (error) {
 *   if (error instanceof PymarError && error.code === 'TIMEOUT') console.error('too slow')
 *   else throw error
 * }
 * ```
 */
export class PymarError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    Object.defineProperty(this, BRAND, { value: true })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== PymarError) return Function.prototype[Symbol.hasInstance].call(this, value)
    try {
      return typeof value === 'object' && value !== null && BRAND in value
    } catch {
      // A proxy that says nothing.
      return false
    }
  }
}
// On the prototype, so that it is no own field which would be printed with each error.
Object.defineProperty(PymarError.prototype, 'name', { value: 'PymarError', writable: true, configurable: true })

/** What a process that cannot load our own code for a job rejects with: it may be out of file descriptors. */
export function notRunnable(error: unknown): never {
  throw new PymarError('WORKER_LOST', `Cannot start a job: what runs it cannot be loaded: ${messageOf(error)}`, { cause: error })
}

/** The message of anything that was thrown, on one line where it has one. It never throws itself. */
export function messageOf(thrown: unknown): string {
  try {
    if (thrown instanceof PymarError) return String(thrown.message)
    // Node's, of a host that has several addresses.
    if (thrown instanceof AggregateError && thrown.message === '') return thrown.errors.map(messageOf).join(', ')
    if (thrown instanceof Error) return thrown.message ? `${thrown.name}: ${thrown.message}` : String(thrown.name)
    return typeof thrown === 'string' ? thrown : inspect(thrown)
  } catch {
    return 'something that cannot be shown'
  }
}
