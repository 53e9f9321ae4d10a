import { statSync } from 'node:fs'
import { extname } from 'node:path'

/** What may be the name of a file in an import, export or require: one in a comment is found too, and no parser is needed. */
const RELATIVE = /\b(?:from|import|require)\s*\(?\s*(['"])(\.{1,2}\/[^'"]+)\1/g

const EXTENSIONS = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json']
/** What TypeScript calls a file by the name that it will have once it is compiled. */
const COMPILED: Readonly<Record<string, string>> = { '.js': '.ts', '.mjs': '.mts', '.cjs': '.cts' }

/**
 * The files that a module's text imports by relative names, in the order of the text, as loaders would find them: perhaps more,
 * never fewer, as long as names are written out.
 *
 * @param url The module's `file:` URL.
 */
export function relativeImports(url: string, text: string): string[] {
  return Array.from(text.matchAll(RELATIVE), ([, , specifier]) => find(new URL(specifier as string, url).href)).flatMap(
    (found) => found ?? [],
  )
}

function find(url: string): string | undefined {
  const extension = extname(url)
  const ending = COMPILED[extension]
  const compiled = ending === undefined ? [] : [`${url.slice(0, -extension.length)}${ending}`]
  const completed = EXTENSIONS.map((one) => `${url}${one}`)
  const inFolder = EXTENSIONS.map((one) => `${url}/index${one}`)
  return [url, ...compiled, ...completed, ...inFolder].find((candidate) =>
    statSync(new URL(candidate), { throwIfNoEntry: false })?.isFile(),
  )
}
