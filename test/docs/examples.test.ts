import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Inside the repository, so that the packages are found. */
const CACHE = join(ROOT, 'node_modules', '.cache')

/** The fenced `ts` blocks of a file; those of a docstring without their stars. */
function blocksOf(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  const plain = file.endsWith('.ts') ? text.replaceAll(/^ *\* ?/gm, '') : text
  return [...plain.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code as string)
}

function sources(): string[] {
  const folders = ['packages/core/src', 'packages/sql-source/src', 'packages/mongo-source/src'].map((folder) => join(ROOT, folder))
  const code = folders.flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)))
  return [
    join(ROOT, 'README.md'),
    join(ROOT, 'packages/core/README.md'),
    join(ROOT, 'packages/sql-source/README.md'),
    ...code.filter((file) => file.endsWith('.ts')),
  ]
}

test('every example in README and docstrings compiles', () => {
  mkdirSync(CACHE, { recursive: true })
  const folder = mkdtempSync(join(CACHE, 'docs-'))
  try {
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    const files = sources().flatMap((source) =>
      blocksOf(source).map((code, i) => {
        const file = join(folder, `${relative(ROOT, source).replaceAll(/\W/g, '-')}-${i}.ts`)
        writeFileSync(file, code)
        return file
      }),
    )
    assert.ok(files.length >= 8, `only ${files.length} examples found`)
    const strict = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--target',
      'es2022',
      '--module',
      'nodenext',
      '--lib',
      'es2022,dom',
      // Users may not have the types of Node.
      '--types',
      '',
    ]
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(ROOT, 'node_modules/typescript/bin/tsc'), ...strict, '--noUncheckedIndexedAccess', ...files],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    )
    assert.equal(status, 0, stdout)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
