import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { isMain } from '@pymar/core'
import { checkClass, textOf } from '../../packages/core/dist/job/class-ref.js'
import { findExport } from '../../packages/core/dist/job/load.js'
import { locate } from '../../packages/core/dist/job/locate.js'
import { Busy, Pids } from '../jobs/busy.mjs'
import { Join } from '../jobs/joins.ts'

const folder = mkdtempSync(join(tmpdir(), 'pymar-test-'))
after(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return pathToFileURL(join(folder, name)).href
}

test('locate() finds where a class was defined, in JavaScript and TypeScript, ESM and CommonJS', async () => {
  assert.equal((await locate(Busy)).url, new URL('../jobs/busy.mjs', import.meta.url).href)
  assert.equal((await locate(Join)).url, new URL('../jobs/joins.ts', import.meta.url).href)
  const url = write('class with spaces.cjs', 'exports.Thing = class Thing {}')
  const { Thing } = await import(url)
  assert.equal((await locate(Thing)).url, url)
})

test('locate() follows the module option, and refuses a class without a file', async () => {
  assert.equal((await locate(Join, undefined, 'some/job.ts')).url, pathToFileURL('some/job.ts').href)
  assert.equal((await locate(Join, undefined, 'file:///some/job.ts')).url, 'file:///some/job.ts')
  const Nowhere = new Function('return class Nowhere {}')()
  await assert.rejects(locate(Nowhere), {
    code: 'JOB_FILE',
    message: /^Cannot find the job file of Nowhere: it was not defined in a file; /,
  })
  await assert.rejects(locate(Join, undefined, new URL('https://example.test/job.js')), { code: 'JOB_FILE', message: /it is no file/ })
  await assert.rejects(locate(Join, undefined, 'file://elsewhere/job.js'), {
    code: 'JOB_FILE',
    message: /^Cannot load job file file:\/\/elsewhere\/job\.js: /,
  })
})

test('findExport() takes the export whose class has the name, under whatever key', () => {
  class One {}
  const Other = { One: class One {} }.One
  const file = (exports: Record<string, unknown>) => ({ url: 'file:///job.ts', exports })
  assert.equal(findExport(file({ One }), 'producer', 'One'), One)
  assert.equal(findExport(file({ default: One }), 'producer', 'One'), One)
  assert.equal(findExport(file({ Alias: One }), 'source', 'One'), One)
  assert.equal(findExport(file({ default: { One } }), 'source', 'One'), One)
  const message = /^Cannot find source "Two" in \/job\.ts: it exports One, n; write "export class Two" there, or re-export it$/
  assert.throws(() => findExport(file({ One, n: 1 }), 'source', 'Two'), { code: 'JOB_FILE', message })
  assert.throws(() => findExport(file({ One, Other }), 'source', 'One'), { code: 'JOB_FILE', message: /2 of its exports are called so/ })
  assert.throws(() => findExport(file({ A: One, B: Other }), 'source', 'One'), {
    code: 'JOB_FILE',
    message: /2 of its exports are called so/,
  })
})

test('checkClass() takes a class that another loader printed otherwise, and no other class of that name', async () => {
  const url = new URL('../jobs/busy.mjs', import.meta.url).href
  const check = (definition: { url: string; text: string }) => checkClass('producer', Busy, { name: 'Busy', definition }, '/job.mjs')
  await check({ url, text: textOf(Busy) })
  await check({ url, text: 'class Busy { /* printed by another loader */ }' })
  await assert.rejects(check({ url, text: textOf(Pids) }), { code: 'JOB_FILE', message: /^Cannot use producer "Busy" of \/job\.mjs: / })
  await assert.rejects(check({ url: import.meta.url, text: 'class Busy {}' }), { code: 'JOB_FILE', message: /defined in .*job-file\.test/ })
})

const strips = Boolean((process.features as { typescript?: unknown }).typescript)
const LOADER = new URL('../../packages/core/dist/job/loader.js', import.meta.url).href

/** Asked in a process of its own: these tests may run under tsx, and then nothing more is needed. */
function loaderIn(urls: readonly string[]): string[] {
  const code = `import { loaderFor } from '${LOADER}'
    console.log(JSON.stringify(await Promise.all(${JSON.stringify(urls)}.map((url) => loaderFor(url)))))`
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' }))
}

test('loaderFor() takes Node where it can strip the types, and tsx for what it cannot', () => {
  const native = strips ? 'node' : 'tsx'
  const files = [
    ['plain.mjs', 'export const a = 1', 'node'],
    ['types.ts', 'export const a: number = 1', native],
    ['enum.ts', 'export enum A { B }', 'tsx'],
    ['imports-enum.mts', "import { A } from './enum.ts'\nexport const b: A = A.B", 'tsx'],
    ['imports-types.mts', "import { a } from './types.ts'\nexport const b: number = a", native],
    ['no-extension.ts', "import { a } from './types'\nexport const b: number = a", 'tsx'],
    ['jsx.tsx', 'export const a = 1', 'tsx'],
    ['js-ending.ts', "import { a } from './types.js'\nexport const b: number = a", 'tsx'],
    ['decorator.ts', 'const d = (c: unknown) => c\n@(d as any)\nexport class A {}\n@d\nexport class B {}', 'tsx'],
    ['alias.ts', "import { a } from '@alias/types'\nexport const b: number = a", 'tsx'],
    ['erased.ts', "import type { A } from './no-such-file'\nexport const b: A | number = 1", native],
    ['type-import.ts', "import { AddressInfo, isIP } from 'node:net'\nexport const b: AddressInfo | number = isIP('')", 'tsx'],
    ['both-used.ts', "import { Server, isIP } from 'node:net'\nexport const b: unknown = [isIP(''), Server]", native],
    ['imports-typed.mjs', "// import './enum.ts' as ./none.ts is not there\nexport { a } from './types.ts'", 'tsx'],
    ['imports-native.mjs', "import { a } from './types.ts'\nexport const b = a", native],
    ['modules.cts', "import { isIP } from 'node:net'\nexport const b: unknown = isIP", 'tsx'],
    ['json.ts', "import data from './data.json'\nexport const b: unknown = data", 'tsx'],
  ] as const
  write('data.json', '{}')
  const urls = files.map(([name, text]) => write(name, text))
  assert.deepEqual(
    loaderIn(urls),
    files.map(([, , loader]) => loader),
  )
})

test('isMain() is false for a module that is imported', () => {
  assert.equal(isMain({ url: new URL('../jobs/joins.ts', import.meta.url).href }), false)
  assert.equal(isMain({ url: 'data:text/javascript,' }), false)
  assert.equal(isMain({ url: pathToFileURL(process.argv[1] as string).href }), true)
})
