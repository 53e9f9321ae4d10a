import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The first executable file among `paths`. */
export function firstExecutable(paths: Iterable<string>): string | undefined {
  for (const path of paths) if (isExecutable(path)) return path
  return undefined
}

/** Where a shell would find a program. */
export function* onPath(program: string): Generator<string> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) if (folder) yield join(folder, program)
}

/** A program in each of a folder's versions, the highest first: `/usr/lib/postgresql/15/bin/postgres`. */
export function* inVersions(folder: string, program: string): Generator<string> {
  for (const version of list(folder).sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))) yield join(folder, version, program)
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
