import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { messageOf, PymarError } from '../errors.ts'
import { type V8, withV8 } from './ask-v8.ts'
import { type ClassRef, textOf } from './class-ref.ts'

/** The job file of a job, and its classes as slots can find them there. */
export interface JobCode {
  readonly url: string
  readonly producer: ClassRef
  readonly source?: ClassRef
}

type Class = object & { readonly name: string }

const urls = new WeakMap<object, string | undefined>()

/**
 * Finds the job file: the module where the producer was defined, which slots load.
 *
 * V8 knows it, and is asked through the inspector; importing the main script again to look for the class would wait for
 * itself for ever where that script is still in its own top-level await. Asking takes a few milliseconds the first time.
 *
 * @param module The `module` option, which overrides what V8 says. A path is relative to the current directory.
 * @returns Its `file:` URL without query, and what tells the classes from others of their names.
 * @throws {PymarError} `JOB_FILE` if the producer was not defined in a file.
 */
export async function locate(producer: Class, source?: Class, module?: string | URL): Promise<JobCode> {
  const classes = source ? [producer, source] : [producer]
  if (module !== undefined)
    return { url: moduleUrl(module), producer: { name: producer.name }, ...(source && { source: { name: source.name } }) }
  const unknown = classes.filter((target) => !urls.has(target))
  const ask = (v8: V8) => {
    for (const target of unknown) urls.set(target, v8.urlOf(target))
  }
  if (unknown.length > 0) await withV8(ask)
  const url = urls.get(producer)
  if (url === undefined) {
    throw new PymarError(
      'JOB_FILE',
      `Cannot find the job file of ${producer.name}: it was not defined in a file; move it to a module that exports it, or pass that as option module`,
    )
  }
  const ref = (target: Class): ClassRef => ({ name: target.name, definition: { url: urls.get(target), text: textOf(target) } })
  return { url, producer: ref(producer), ...(source && { source: ref(source) }) }
}

function moduleUrl(module: string | URL): string {
  const refuse = (found: string) => new PymarError('JOB_FILE', `Cannot load job file ${module}: ${found}; pass a path or a file URL`)
  try {
    const url = module instanceof URL || module.startsWith('file:') ? new URL(module) : pathToFileURL(resolve(module))
    if (url.protocol !== 'file:') throw refuse('it is no file')
    return pathToFileURL(fileURLToPath(url)).href
  } catch (error) {
    throw error instanceof PymarError ? error : refuse(messageOf(error))
  }
}
