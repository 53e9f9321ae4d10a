import { fileURLToPath, pathToFileURL } from 'node:url'
import { PymarError } from '../errors.ts'

/** What tells a class from others of its name in another process. */
export interface ClassRef {
  readonly name: string
  /** Where it was defined, and as what text; not there where the `module` option says which file to load. */
  readonly definition?: { readonly url: string | undefined; readonly text: string }
}

type Class = object & { readonly name: string }

/** The text of a class as it runs: what its loader made of the file. */
export function textOf(target: object): string {
  return Function.prototype.toString.call(target)
}

/**
 * Checks that a class, found by its name, is the one that the script uses. It is when both have the same text and were defined
 * in the same file; of a class of the job file itself the text is enough. Where the texts differ, it may be that two loaders print
 * one class differently: then the text that was expected must not stand elsewhere in this process's file.
 *
 * @param path The job file, for the error.
 * @throws {PymarError} `JOB_FILE` if it is another class.
 */
export async function checkClass(what: 'producer' | 'source', target: Class, { name, definition }: ClassRef, path: string): Promise<void> {
  if (!definition) return
  const alike = textOf(target) === definition.text
  if (alike && definition.url === pathToFileURL(path).href) return
  const { withV8 } = await import('./ask-v8.ts')
  const { url, script } = await withV8((v8) => ({ url: v8.urlOf(target), script: v8.scriptOf(target) }))
  if (url === definition.url && (alike || !script.includes(definition.text))) return
  const other = definition.url === undefined ? 'no file' : fileURLToPath(definition.url)
  const found = `the script uses another ${what} of that name, defined in ${other}`
  throw new PymarError('JOB_FILE', `Cannot use ${what} "${name}" of ${path}: ${found}; give each class a name of its own and export it`)
}
