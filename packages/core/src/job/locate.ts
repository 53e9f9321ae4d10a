import { existsSync } from 'node:fs'
import type { Session } from 'node:inspector'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { messageOf, PymarError } from '../errors.ts'
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
  if (module !== undefined) return { url: moduleUrl(module), producer: { name: producer.name }, ...(source && { source: { name: source.name } }) }
  const unknown = classes.filter((target) => !urls.has(target))
  if (unknown.length > 0) await withV8((v8) => unknown.forEach((target) => urls.set(target, v8.urlOf(target))))
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

/** The file where a class was defined, and all of that file's text as its loader gave it to V8. */
export function whereDefined(target: object): Promise<{ url: string | undefined; script: string }> {
  return withV8((v8) => ({ url: v8.urlOf(target), script: v8.scriptOf(target) }))
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

/**
 * The file of a script as V8 names it: loaders append queries of their own to a module's URL, CommonJS modules may be known by
 * their path alone, and code that was given on the command line is named like a file that is not there.
 */
function scriptUrl(script = ''): string | undefined {
  if (!script.startsWith('/') && !script.startsWith('file:')) return undefined
  const path = script.startsWith('/') ? script : fileURLToPath(script)
  return existsSync(path) ? pathToFileURL(path).href : undefined
}

/** What V8 knows of a class. */
interface V8 {
  urlOf(target: object): string | undefined
  scriptOf(target: object): string
}

async function withV8<T>(use: (v8: V8) => T): Promise<T> {
  let session: Session | undefined
  try {
    const inspector = await import('node:inspector')
    session = new inspector.Session()
    session.connect()
    return use(askV8(session))
  } catch (error) {
    // Node can be built without an inspector, or started without the right to use it.
    const found = `V8 cannot be asked where a class was defined: ${messageOf(error)}`
    throw new PymarError('JOB_FILE', `Cannot find the job file: ${found}; pass it as option module`, { cause: error })
  } finally {
    session?.disconnect()
  }
}

function askV8(session: Session): V8 {
  let covered: Map<string, string> | undefined
  return {
    urlOf(target) {
      const id = scriptIdOf(session, target)
      if (id === undefined) return undefined
      covered ??= coveredScripts(session)
      return scriptUrl(covered.get(id) ?? allScripts(session).get(id))
    },
    scriptOf(target) {
      ask(session, 'Debugger.enable')
      return ask<{ scriptSource: string }>(session, 'Debugger.getScriptSource', { scriptId: scriptIdOf(session, target) }).scriptSource
    },
  }
}

/** The id of the script that defined a class. */
function scriptIdOf(session: Session, target: object): string | undefined {
  const key = `pymar:${Math.random()}`
  try {
    Object.defineProperty(globalThis, key, { value: target, configurable: true })
    const expression = `globalThis[${JSON.stringify(key)}]`
    const { result } = ask<{ result: { objectId: string } }>(session, 'Runtime.evaluate', { expression })
    const properties = ask<{ internalProperties?: { name: string; value?: { value: { scriptId: string } } }[] }>(
      session,
      'Runtime.getProperties',
      { objectId: result.objectId, ownProperties: true },
    )
    return properties.internalProperties?.find(({ name }) => name === '[[FunctionLocation]]')?.value?.value.scriptId
  } finally {
    Reflect.deleteProperty(globalThis, key)
  }
}

/** The coverage that V8 keeps anyway names scripts ten times faster than the debugger, but perhaps not all. */
function coveredScripts(session: Session): Map<string, string> {
  const { result } = ask<{ result: { scriptId: string; url: string }[] }>(session, 'Profiler.getBestEffortCoverage')
  return new Map(result.map(({ scriptId, url }) => [scriptId, url]))
}

function allScripts(session: Session): Map<string, string> {
  const urls = new Map<string, string>()
  session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url))
  ask(session, 'Debugger.enable')
  return urls
}

/** The inspector answers a session of its own thread before `post` returns. */
function ask<Answer>(session: Session, method: string, params: object = {}): Answer {
  let answer: Answer | undefined
  session.post(method, params, (error, result) => {
    if (error) throw error
    answer = result as Answer
  })
  return answer as Answer
}
