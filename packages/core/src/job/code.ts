import { readFileSync } from 'node:fs'
import { relativeImports } from './relative-imports.ts'

const BOM = /^\uFEFF/

/**
 * The code of a job file: its text and that of all files that it imports by relative names, each once, in the order in which the
 * imports lead to them, without their paths, and with line ends as on Unix. Two places have the same job file if this is the same.
 *
 * @param url The job file's `file:` URL.
 */
export function codeOf(url: string): string {
  return (
    filesOf(url)
      .map(({ text }) => text.replace(BOM, '').replaceAll('\r\n', '\n'))
      // With its length before it, so that no two lists of files look alike.
      .map((text) => `${text.length}\n${text}`)
      .join('')
  )
}

/** A job file with all files that it imports by relative names, each once. */
export function filesOf(url: string): { url: string; text: string }[] {
  const files = new Map<string, { url: string; text: string }>()
  const add = (file: string) => {
    if (files.has(file)) return
    const text = readText(file)
    files.set(file, { url: file, text })
    for (const next of relativeImports(file, text)) add(next)
  }
  add(url)
  return [...files.values()]
}

/** A file that cannot be read counts as empty: whoever imports it will say so. */
function readText(url: string): string {
  try {
    return readFileSync(new URL(url), 'utf8')
  } catch {
    return ''
  }
}
