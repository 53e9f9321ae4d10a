import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import module from 'node:module'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { relativeImports } from './relative-imports.ts'
import { isCommonJs } from './tsx.ts'

/** What loads a module: Node alone, or Node with tsx for TypeScript that Node cannot strip. */
export type Loader = 'node' | 'tsx'

type StripTypes = (code: string, options?: { mode: 'strip' }) => string
const stripTypes = (module as unknown as { stripTypeScriptTypes?: StripTypes }).stripTypeScriptTypes

const hasTypeStripping = Boolean((process.features as { typescript?: unknown }).typescript)

const JAVASCRIPT = new Set(['.js', '.mjs', '.cjs'])
const OTHERS = new Set(['.json', '.node', '.wasm'])
const STRIPPABLE = new Set(['.ts', '.mts', '.cts'])

/**
 * Which loader a module needs, told from its file and the relative imports it leads to.
 *
 * A Node that strips types by itself is used where that is enough: no syntax that must be compiled (enums, parameter
 * properties), every relative import names a file, and types are imported as such. Older Nodes need tsx for any TypeScript.
 *
 * @param url A `file:` URL. One that cannot be read is left to Node, whose error says so.
 */
export async function loaderFor(url: string): Promise<Loader> {
  if (hasTsx()) return 'node'
  const visited = new Set<string>()
  const needsTsx = async (file: string): Promise<boolean> => {
    if (visited.has(file)) return false
    visited.add(file)
    const extension = extname(fileURLToPath(file))
    if (OTHERS.has(extension)) return false
    const strips = hasTypeStripping && STRIPPABLE.has(extension) ? stripTypes : undefined
    if (!JAVASCRIPT.has(extension) && !strips) return true
    const imports = strips
      ? await importsOfTypeScript(file, strips)
      : relativeImports(file, await readFile(new URL(file), 'utf8').catch(() => ''))
    if (!imports) return true
    for (const next of imports) if (await needsTsx(next)) return true
    return false
  }
  return (await needsTsx(url)) ? 'tsx' : 'node'
}

/** Whether this process, and so its slots, were started with tsx: `node --import tsx`, `tsx script.ts`. */
function hasTsx(): boolean {
  const flags = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(' ')]
  return flags.some((flag) => /(^|=|[\\/])tsx([\\/]|$)/.test(flag))
}

/** The relative imports of a TypeScript file, or undefined where Node could not load it. */
async function importsOfTypeScript(file: string, strip: StripTypes): Promise<string[] | undefined> {
  const text = await readFile(new URL(file), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const { init, parse } = await import('es-module-lexer')
  await init()
  try {
    let stripped = ''
    quietly(() => {
      stripped = strip(text, { mode: 'strip' })
    })
    // Stripping leaves decorators in, which Node cannot run.
    if (/^\s*@[A-Za-z_$]/m.test(stripped)) return undefined
    const [found] = parse(text)
    if (isCommonJs(file) && found.some(({ type }) => type === 'static')) return undefined
    const imports = found.flatMap((entry) => (entry.type === 'static' || entry.type === 'reexport-star' ? entry : []))
    const loaded = imports.filter(({ typeOnly }) => !typeOnly)
    if (importsTypes(stripped)) return undefined
    if (loaded.some(({ specifier, attributes }) => !nodeFinds(specifier, file, attributes !== null))) return undefined
    return loaded.flatMap(({ specifier }) => (specifier.startsWith('.') ? [new URL(specifier, file).href] : []))
  } catch {
    return undefined
  }
}

/** An import of names, which are its group. */
const IMPORT_CLAUSE = /^\s*import\s+(?:[\w$]+\s*,\s*)?\{([^}]*)\}\s*from\b.*$/gm
const COMMENT = /\/\*[\s\S]*?\*\/|\/\/.*$/gm

/**
 * Whether code without types imports a name that it does not use: most likely a type, which is not there when Node looks for
 * it. TypeScript and tsx leave out such imports.
 */
function importsTypes(stripped: string): boolean {
  const code = stripped.replace(COMMENT, '')
  const names = Array.from(code.matchAll(IMPORT_CLAUSE), ([, list]) => (list as string).split(',')).flat()
  const rest = code.replace(IMPORT_CLAUSE, '')
  const used = new Set(rest.match(/[\p{ID_Start}$_][\p{ID_Continue}$]*/gu))
  const local = names.map(
    (name) =>
      name
        .trim()
        .split(/\s+as\s+/)
        .at(-1) as string,
  )
  return local.some((name) => name !== '' && !used.has(name))
}

/** Whether Node finds what an import names: a file under its own name, or a package, not an alias of tsconfig's. */
function nodeFinds(specifier: string, file: string, hasAttributes: boolean): boolean {
  if (specifier.startsWith('.')) return existsSync(new URL(specifier, file)) && (hasAttributes || !specifier.endsWith('.json'))
  if (/^[a-z]+:/.test(specifier) || specifier.startsWith('/') || specifier.startsWith('#')) return true
  try {
    module.createRequire(file).resolve(specifier)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND'
  }
}

/** Node warns of this function as experimental, though not of the loading that it is asked about. */
function quietly(call: () => void): void {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    call()
  } finally {
    process.emitWarning = emitWarning
  }
}
