import type { ClassRef } from '../job/class-ref.ts'
import type { JobFileAt } from '../job/job-file.ts'
import type { ExportedClass } from '../job/load.ts'
import type { Outcome, Shared, Task } from '../job/run.ts'
import type { ErrorRecord } from '../wire/error-record.ts'

/*
 * Everything that a slot and the process that started it say to each other. They travel in order, both ways, over the
 * pipe that Node gives a forked child; values of user code are bytes in them.
 */

/** One job, told to a slot before the first of its tasks. */
export interface SlotJob {
  readonly id: string
  /** Partitions of the job, for messages. */
  readonly partitions: number
  /** The classes in the job file; a job on in-memory data has no source. */
  readonly producer: ClassRef
  readonly source?: ClassRef
  /** Encoded {@link Shared}. */
  readonly shared?: Uint8Array
}

export type ToSlot =
  /** Import the job file: once in a slot's life. */
  | { readonly type: 'load'; readonly file: JobFileAt }
  | { readonly type: 'open'; readonly job: SlotJob }
  /** Partials of a reduction that is too large for one message; the others follow, the last ones with `run`. */
  | { readonly type: 'partials'; readonly ticket: number; readonly partials: readonly Uint8Array[] }
  /** Compute, after whatever was sent before. `ticket` names this one task on this one slot. */
  | { readonly type: 'run'; readonly ticket: number; readonly job: string; readonly task: Task }
  /** Forget a task, if it has not begun. */
  | { readonly type: 'drop'; readonly ticket: number }
  /** Abort the signal of the task that is running. */
  | { readonly type: 'abort'; readonly ticket: number; readonly reason: string }
  | { readonly type: 'close'; readonly job: string }

export type FromSlot =
  /** The process runs; nothing is loaded yet. */
  | { readonly type: 'up' }
  | { readonly type: 'loaded'; readonly classes: readonly ExportedClass[] }
  /** The job file cannot be used, now or ever: the slot is of no use. */
  | { readonly type: 'broken'; readonly error: ErrorRecord }
  /** A task was forgotten; one that had begun ends instead. */
  | { readonly type: 'dropped'; readonly ticket: number }
  /** A task has ended. With `last`, the slot ends too, because code that it no longer controls has thrown. */
  | { readonly type: 'ended'; readonly ticket: number; readonly outcome: Outcome; readonly last?: true }

const FROM_SLOT: ReadonlySet<unknown> = new Set<FromSlot['type']>(['up', 'loaded', 'broken', 'dropped', 'ended'])

/** Whether something that came over a slot's pipe is of ours, by its looks. */
export function isFromSlot(message: unknown): message is FromSlot {
  if (typeof message !== 'object' || message === null) return false
  const { type, ticket, error, outcome } = message as Record<string, unknown>
  if (!FROM_SLOT.has(type)) return false
  if (type === 'broken') return typeof error === 'object' && error !== null && 'kind' in error
  if (type === 'ended') return typeof ticket === 'number' && typeof outcome === 'object' && outcome !== null
  return true
}

/** Partials of one reduction that go in one message, unless one alone is larger. */
const PIECE_BYTES = 64 * 2 ** 20

/** A reduction of many bytes goes in pieces, since a message holds 2 GiB at most; any other task goes as it is. */
export function split(task: Task): { pieces: (readonly Uint8Array[])[]; rest: Task } {
  const pieces: Uint8Array[][] = []
  if (task.kind !== 'reduction') return { pieces, rest: task }
  let [piece, bytes]: [Uint8Array[], number] = [[], 0]
  for (const partial of task.partials) {
    if (bytes + partial.byteLength > PIECE_BYTES && piece.length > 0) {
      pieces.push(piece)
      ;[piece, bytes] = [[], 0]
    }
    piece.push(partial)
    bytes += partial.byteLength
  }
  return { pieces, rest: { ...task, partials: piece } }
}

/** How many bytes of values a message holds. */
export function bytesOf(message: ToSlot): number {
  if (message.type === 'partials') return sum(message.partials)
  if (message.type === 'open') return message.job.shared?.byteLength ?? 0
  if (message.type !== 'run') return 0
  const { task } = message
  return task.kind === 'reduction' ? sum(task.partials) : (task.slice?.byteLength ?? 0) + (task.hint?.byteLength ?? 0)
}

function sum(values: readonly Uint8Array[]): number {
  return values.reduce((total, { byteLength }) => total + byteLength, 0)
}
