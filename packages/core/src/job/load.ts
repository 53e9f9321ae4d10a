import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { show } from '../checks.ts'
import { isSourceClass } from '../data-source.ts'
import { messageOf, PymarError } from '../errors.ts'
import { type ClassRef, checkClass } from './class-ref.ts'
import { codeOf } from './code.ts'
import type { JobFileAt } from './job-file.ts'
import type { Loader } from './loader.ts'
import { isCommonJs, useTsx } from './tsx.ts'

/** The job file as a slot has it: its exports, to be found by the name of the class or function. */
export interface JobFile {
  readonly url: string
  readonly exports: Readonly<Record<string, unknown>>
}

type Class = Function

/**
 * Imports a job file.
 *
 * @throws {PymarError} `JOB_FILE` if it cannot be imported, then `cause` is what its import threw; or if it is not what it was.
 */
export async function loadJobFile({ url, loader, code }: JobFileAt): Promise<JobFile> {
  const file = await importJobFile(url, loader)
  if (codeOf(url) === code) return file
  const found = 'it, or a file that it imports, was changed since it was first loaded'
  throw new PymarError('JOB_FILE', `Cannot load job file ${fileURLToPath(url)}: ${found}; start the script, or the worker, again`)
}

async function importJobFile(url: string, loader: Loader): Promise<JobFile> {
  try {
    if (loader === 'tsx') await useTsx(url)
    return { url, exports: isCommonJs(url) ? createRequire(url)(fileURLToPath(url)) : await import(url) }
  } catch (error) {
    throw notLoaded(url, error)
  }
}

/** Of whatever the import of a job file threw. */
export function notLoaded(url: string, error: unknown): PymarError {
  if (error instanceof PymarError && error.code === 'JOB_FILE') return error
  // V8 keeps the place of a syntax error to itself, for Node to print.
  const advice = error instanceof SyntaxError ? '; run the file with node to see the line' : ''
  return new PymarError('JOB_FILE', `Cannot load job file ${fileURLToPath(url)}: ${messageOf(error)}${advice}`, { cause: error })
}

/**
 * Finds the class that a script uses among the exports of its job file.
 *
 * @typeParam Code What the class has, which the script has checked.
 * @throws {PymarError} `JOB_FILE` if no export has its name, several do, or the one that does is another class.
 */
export async function findClass<Code extends { readonly name: string }>(
  file: JobFile,
  what: 'producer' | 'source',
  ref: ClassRef,
): Promise<Code> {
  const found = findExport(file, what, ref.name)
  await checkClass(what, found, ref, fileURLToPath(file.url))
  return found as unknown as Code
}

/**
 * Finds a class of a job file by its own name, under whatever name it is exported.
 *
 * @throws {PymarError} `JOB_FILE` if no export has that name, or several do; it lists what the file exports.
 */
export function findExport(file: JobFile, what: 'producer' | 'source', name: string): Class {
  const candidates = new Set<Class>()
  for (const [, value] of allExports(file)) if (typeof value === 'function' && read(value, 'name') === name) candidates.add(value)
  // Several classes of one name cannot be told apart: the key of one of them would be a guess at which was meant.
  const [only] = candidates.size === 1 ? candidates : []
  if (only) return only
  const path = fileURLToPath(file.url)
  const names = [...new Set(allExports(file).map(([key]) => key))].filter((key) => key !== 'default' && key !== 'module.exports')
  const found = candidates.size > 1 ? `${candidates.size} of its exports are called so` : `it exports ${names.join(', ') || 'nothing'}`
  const advice = candidates.size > 1 ? 'give each class a name of its own' : `write "${exporting(path, name)}" there, or re-export it`
  throw new PymarError('JOB_FILE', `Cannot find ${what} ${show(name)} in ${path}: ${found}; ${advice}`)
}

/** A class that a job file exports, as whoever loaded the file is told of it. */
export interface ExportedClass {
  readonly name: string
  readonly kind: 'producer' | 'source'
  /** The producer's `VERSION`. */
  readonly version?: string
}

/** The producers and sources that a job file exports. */
export function listClasses(file: JobFile): ExportedClass[] {
  const classes = new Map<unknown, ExportedClass>()
  for (const [, value] of allExports(file)) {
    if (typeof value !== 'function') continue
    const [name, mapFn, reduceFn, version] = ['name', 'mapFn', 'reduceFn', 'VERSION'].map((key) => read(value, key))
    if (typeof name !== 'string') continue
    if (isSourceClass(value)) classes.set(value, { name, kind: 'source' })
    else if (typeof mapFn === 'function' && typeof reduceFn === 'function') {
      classes.set(value, { name, kind: 'producer', ...(typeof version === 'string' && { version }) })
    }
  }
  return [...classes.values()]
}

/** A CommonJS module's exports may be there only as the properties of its default export. */
function allExports({ exports }: JobFile): [string, unknown][] {
  const inner = read(exports, 'default')
  return [...entries(exports), ...(typeof inner === 'object' && inner !== null ? entries(inner) : [])]
}

function entries(exports: object): [string, unknown][] {
  return Object.keys(exports).map((key) => [key, read(exports, key)])
}

/** An export, or a static member of one, may be a getter that throws: then it is nothing that anyone looks for. */
function read(holder: object, key: string): unknown {
  try {
    return (holder as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

function exporting(path: string, name: string): string {
  return path.endsWith('.cjs') ? `exports.${name} = ${name}` : `export class ${name}`
}
