import { createHash, type Hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { relativeImports } from './relative-imports.ts'

/** Characters of a fingerprint: 64 bits, which no two job files on one broker share by chance. */
const LENGTH = 16
const BOM = /^\uFEFF/

/**
 * What says that two machines have the same job file: a hash of its text and of all that it imports by relative names, without
 * their paths, and with line ends as on Unix.
 *
 * @param url The job file's `file:` URL.
 * @param version The producer's `VERSION`, which takes the place of the files.
 * @param secret The shared secret, of which the hash tells nothing: workers with another one are no workers of this producer.
 */
export function fingerprint(url: string, { version, secret }: { version?: string | undefined; secret?: string | undefined } = {}): string {
  const hash = createHash('sha256')
  if (version === undefined) addFiles(hash, url)
  else hash.update(`version ${version}`)
  if (secret !== undefined) hash.update(createHash('sha256').update(`pymar secret ${secret}`).digest())
  return hash.digest('hex').slice(0, LENGTH)
}

/** A file that cannot be read counts as empty: whoever imports it will say so. */
function readText(url: string): string {
  try {
    return readFileSync(new URL(url), 'utf8')
  } catch {
    return ''
  }
}

/** Adds each file once, in the order in which imports lead to it, with its length before it, so that no two lists look alike. */
function addFiles(hash: Hash, start: string) {
  const seen = new Set<string>()
  const add = (url: string) => {
    if (seen.has(url)) return
    seen.add(url)
    const text = readText(url).replace(BOM, '').replaceAll('\r\n', '\n')
    hash.update(`file ${text.length}\n${text}`)
    for (const next of relativeImports(url, text)) add(next)
  }
  add(start)
}
