import { PymarError } from '../errors.ts'

/** Where a slot says that it is one, whichever copy of this package the job file imports. */
const SLOT = Symbol.for('@pymar/core/slot')

interface SlotScope {
  /** Told the error of a job that was started here, where none may be. */
  refuse(error: PymarError): void
}

/** Declares this process a slot. */
export function enterSlot(scope: SlotScope): void {
  Object.defineProperty(globalThis, SLOT, { value: scope })
}

/**
 * What a job that is started in a slot fails with, or undefined in any other process. A script that starts its job
 * without asking whether it is the main module would start it again in every slot that imports it.
 */
export function refusalInSlot(producer: string): PymarError | undefined {
  const scope = (globalThis as unknown as Record<symbol, SlotScope | undefined>)[SLOT]
  if (!scope) return undefined
  const error = new PymarError(
    'JOB_FILE',
    `Cannot start a job of ${producer} in a slot: slots import the job file too, and it starts a job when imported; put that behind "if (isMain(import.meta))"`,
  )
  scope.refuse(error)
  return error
}
