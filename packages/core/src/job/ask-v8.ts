import { existsSync } from 'node:fs'
import type { Session } from 'node:inspector'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { messageOf, PymarError } from '../errors.ts'

/** What V8 knows of a class. */
export interface V8 {
  /** The `file:` URL, without query, of the file where it was defined. */
  urlOf(target: object): string | undefined
  /** All of that file's text, as its loader gave it to V8. */
  scriptOf(target: object): string
}

/**
 * Opens a session with V8, through the inspector, for as long as `use` takes: a few milliseconds the first time.
 *
 * @throws {PymarError} `JOB_FILE` if V8 cannot be asked.
 */
export async function withV8<T>(use: (v8: V8) => T): Promise<T> {
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
  let all: Map<string, string> | undefined
  const nameOf = (id: string) => {
    covered ??= coveredScripts(session)
    const name = covered.get(id)
    if (name !== undefined) return name
    // V8 tells them once in a session.
    all ??= allScripts(session)
    return all.get(id)
  }
  return {
    urlOf(target) {
      const id = scriptIdOf(session, target)
      return id === undefined ? undefined : scriptUrl(nameOf(id))
    },
    scriptOf(target) {
      ask(session, 'Debugger.enable')
      return ask<{ scriptSource: string }>(session, 'Debugger.getScriptSource', { scriptId: scriptIdOf(session, target) }).scriptSource
    },
  }
}

/**
 * The file of a script as V8 names it: loaders append queries of their own to a module's URL, CommonJS modules may be known by
 * their path alone, and code that was given on the command line is named like a file that is not there.
 */
function scriptUrl(script = ''): string | undefined {
  const name = FROM_TSX.exec(script)?.[1]
  const path = name ? String(JSON.parse(decodeURIComponent(name))) : script
  if (!path.startsWith('/') && !path.startsWith('file:')) return undefined
  const file = path.startsWith('/') ? path : fileURLToPath(path)
  return existsSync(file) ? pathToFileURL(file).href : undefined
}

/** What tsx makes, on Node 20, of CommonJS that an ES module imports: its text as a URL, which begins with the name of the file. */
const FROM_TSX = /^data:text\/javascript,__filename%3D(%22.+?%22)%3B/

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

/** The coverage that V8 keeps anyway names scripts ten times faster than the debugger, but not those whose code it has thrown away meanwhile. */
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
