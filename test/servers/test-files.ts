import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerName } from './server.ts'
import { parseServerNames } from './server-names.ts'

/**
 * The test files of a folder.
 *
 * @param filters Parts of paths; a file is taken if its path has one of them. None: all files.
 * @returns Paths that begin with `folder`, sorted.
 */
export function findTestFiles(folder: string, filters: readonly string[]): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join(folder, path))
  return files.filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter))).sort()
}

/** The servers that a test file needs: a line `// needs: amqp, postgres` among the comments at its very beginning. */
export function readNeeds(file: string): ServerName[] {
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line.trim() !== '' && !line.startsWith('//')) break
    const names = /^\/\/ needs:(.*)$/.exec(line)?.[1]
    if (names !== undefined) return parseServerNames(names, `the header of ${file}`)
  }
  return []
}
