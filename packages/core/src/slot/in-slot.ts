import { PymarError } from '../errors.ts'

/** Where a slot says that it is one, whichever copy of this package the job file imports. */
const SLOT = Symbol.for('@pymar/core/slot')

/** Threads have a global scope of their own, but the environment and the pid of their process. */
const SLOT_PID = 'PYMAR_SLOT_PID'

interface SlotScope {
  /** Told the error of a job that was started here, where none may be. */
  refuse(error: PymarError): void
  /** Whether a task is running, which user code is part of. */
  readonly busy: boolean
}

/** Declares this process a slot. */
export function enterSlot(scope: SlotScope): void {
  Object.defineProperty(globalThis, SLOT, { value: scope })
  process.env[SLOT_PID] = String(process.pid)
}

/**
 * What a job that is started in a slot fails with, or undefined in any other process. A script that starts its job
 * without asking whether it is the main module would start it again in every slot that imports it.
 */
export function refusalInSlot(producer: string): PymarError | undefined {
  const scope = (globalThis as unknown as Record<symbol, SlotScope | undefined>)[SLOT]
  if (!scope && process.env[SLOT_PID] !== String(process.pid)) return undefined
  const found = scope?.busy
    ? 'a task may start none; start it where its result is needed'
    : 'slots import the job file too, and it starts a job when imported; put that behind "if (isMain(import.meta))"'
  const error = new PymarError('JOB_FILE', `Cannot start a job of ${producer} in a slot: ${found}`)
  scope?.refuse(error)
  return error
}
