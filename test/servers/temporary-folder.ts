import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that goes away with `remove()`, or else with this process. */
export interface TemporaryFolder {
  readonly path: string
  remove(): void
}

/** Makes a folder that only its owner may enter. */
export function makeTemporaryFolder(prefix: string): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), `${prefix}-`))
  // A server that was just killed may still be writing into it.
  const clear = () => rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  process.on('exit', clear)
  return {
    path,
    remove: () => {
      clear()
      process.off('exit', clear)
    },
  }
}
