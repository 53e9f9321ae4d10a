// Imports go one way, and a foreign library is imported by one file: the house rules that a linter does not know.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { init, parse } from 'es-module-lexer'

/** Each layer may import itself and those before it. Types count too. */
const LAYERS = [
  ['errors.ts', 'lazy.ts', 'timers.ts'],
  ['checks.ts'],
  ['data-source.ts', 'options.ts', 'is-main.ts', 'host.ts', 'wire'],
  ['job'],
  ['slot'],
  ['transport'],
  ['ledger', 'worker'],
  ['producer.ts', 'start-worker.ts'],
  ['index.ts', 'cli'],
] as const
/** What a layer may know of one below it, where that is less than all of it. */
const ONLY: Readonly<Record<string, readonly string[]>> = { 'ledger>transport': ['transport/port.ts', 'transport/attempt-set.ts'] }

const source = resolve('packages/core/src')
const problems: string[] = []
const importers = new Map<string, Set<string>>()

await init()
for (const file of filesOf(source)) for (const specifier of importsOf(join(source, file))) check(file, specifier)
for (const name of ['sql-source', 'mongo-source']) {
  const folder = resolve(`packages/${name}/src`)
  for (const file of filesOf(folder)) {
    for (const specifier of importsOf(join(folder, file))) {
      if (/^@pymar\/core\/|^\.\.\/.*core\//.test(specifier))
        problems.push(`${name}/${file} imports "${specifier}"; sources import only the door of @pymar/core`)
    }
  }
}
for (const [library, files] of importers) {
  if (files.size > 1) problems.push(`"${library}" is imported by ${[...files].join(' and ')}; let one file import it`)
}
for (const problem of problems) console.error(problem)
process.exitCode = problems.length === 0 ? 0 : 1

function check(file: string, specifier: string) {
  if (!specifier.startsWith('.')) {
    if (specifier.startsWith('node:')) return
    const library = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/')
    importers.set(library, (importers.get(library) ?? new Set()).add(file))
    return
  }
  const target = relative(source, resolve(source, file, '..', specifier))
  const [from, to] = [layerOf(file), layerOf(target)]
  const only = ONLY[`${folderOf(file)}>${folderOf(target)}`]
  if (to > from) problems.push(`${file} imports ${target}, which is a layer above it`)
  else if (only && !only.includes(target)) problems.push(`${file} imports ${target}; it may know only ${only.join(', ')}`)
}

function layerOf(file: string): number {
  const layer = LAYERS.findIndex((members) => (members as readonly string[]).includes(folderOf(file)))
  if (layer < 0) problems.push(`${file} is in no layer; add it to check/imports.ts`)
  return layer
}

function folderOf(file: string): string {
  return file.split('/')[0] as string
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
}

function importsOf(path: string): string[] {
  const [imports] = parse(readFileSync(path, 'utf8'))
  return imports.flatMap(({ specifier }) => specifier ?? [])
}
