import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { firstExecutable, onPath } from './find-binary.ts'
import { buildGo } from './go-build.ts'
import { runTool } from './run-tool.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

const NEVER = new AbortController().signal
const hasGo = { skip: firstExecutable(onPath('go')) === undefined && 'no Go on this machine' }

/** A module of one file. */
function moduleOf(t: TestContext, body: string): string {
  const folder = makeTemporaryFolder('pymar-go')
  t.after(() => folder.remove())
  mkdirSync(join(folder.path, 'module'))
  writeFileSync(join(folder.path, 'module', 'go.mod'), 'module example.org/said\n\ngo 1.21\n')
  writeFileSync(join(folder.path, 'module', 'main.go'), `package main\n\nfunc main() { ${body} }\n`)
  return join(folder.path, 'module')
}

test('buildGo() builds a program, once', hasGo, async (t) => {
  const module = moduleOf(t, `println("built", ${Date.now()})`)
  const built = await buildGo(module, NEVER)
  assert.ok('binary' in built, JSON.stringify(built))
  assert.match((await runTool(built.binary, [])).tail, /^built \d+$/)
  const before = process.env['PATH']
  process.env['PATH'] = ''
  t.after(() => {
    process.env['PATH'] = before
  })
  assert.deepEqual(await buildGo(module, NEVER), built)
  assert.deepEqual(await buildGo(moduleOf(t, `println("another", ${Date.now()})`), NEVER), { why: 'no Go on this machine to build one' })
})

test('buildGo() says why a program cannot be built', hasGo, async (t) => {
  const built = await buildGo(moduleOf(t, 'nonsense()'), NEVER)
  assert.ok('why' in built)
  assert.match(built.why, /^go build failed in .*: .*undefined: nonsense/s)
})
