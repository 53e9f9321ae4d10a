import { existsSync } from 'node:fs'
import type { Session } from 'node:inspector'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { messageOf, PymarError } from '../errors.ts'

const found = new WeakMap<object, string>()

/**
 * The URL of the module where a class was defined: the job file that slots load.
 *
 * V8 knows it, and is asked through the inspector; importing the main script again to look for the class would wait for
 * itself for ever where that script is still in its own top-level await. Asking takes a few milliseconds the first time.
 *
 * @param module The `module` option, which overrides what V8 says. A path is relative to the current directory.
 * @returns A `file:` URL without query.
 * @throws {PymarError} `JOB_FILE` if the class was not defined in a file.
 */
export async function locate(target: { readonly name: string }, module?: string | URL): Promise<string> {
  if (module !== undefined) return moduleUrl(module)
  const known = found.get(target)
  if (known) return known
  const where = scriptUrl(await whereDefined(target))
  if (!where) {
    throw new PymarError(
      'JOB_FILE',
      `Cannot find the job file of ${target.name}: it was not defined in a file; move it to a module that exports it, or pass that as option module`,
    )
  }
  found.set(target, where)
  return where
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

async function whereDefined(target: object): Promise<string | undefined> {
  const inspector = await import('node:inspector')
  const session = new inspector.Session()
  session.connect()
  const key = `pymar:${Math.random()}`
  const scope = globalThis as unknown as Record<string, unknown>
  try {
    Object.defineProperty(scope, key, { value: target, configurable: true })
    const { result } = ask<{ result: { objectId: string } }>(session, 'Runtime.evaluate', {
      expression: `globalThis[${JSON.stringify(key)}]`,
    })
    const properties = ask<{ internalProperties?: { name: string; value?: { value: { scriptId: string } } }[] }>(
      session,
      'Runtime.getProperties',
      { objectId: result.objectId, ownProperties: true },
    )
    const location = properties.internalProperties?.find(({ name }) => name === '[[FunctionLocation]]')
    const script = location?.value?.value.scriptId
    return script && (urlOfRunScript(session, script) ?? urlOfScript(session, script))
  } finally {
    delete scope[key]
    session.disconnect()
  }
}

/** The coverage that V8 keeps anyway names scripts ten times faster than the debugger, but perhaps not all. */
function urlOfRunScript(session: Session, script: string): string | undefined {
  const { result } = ask<{ result: { scriptId: string; url: string }[] }>(session, 'Profiler.getBestEffortCoverage')
  return result.find(({ scriptId }) => scriptId === script)?.url
}

function urlOfScript(session: Session, script: string): string | undefined {
  const urls = new Map<string, string>()
  session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url))
  ask(session, 'Debugger.enable')
  return urls.get(script)
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
