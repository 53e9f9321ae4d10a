import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { freePort } from './free-port.ts'
import { HarnessRun } from './harness-run.ts'
import { listProcesses } from './processes.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

const NEEDS = JSON.stringify(new URL('needs.ts', import.meta.url).pathname)
const PASSES = "import { test } from 'node:test'\ntest('passes', () => {})\n"
const FAILS = "import { test } from 'node:test'\ntest('fails', () => { throw new Error('on purpose') })\n"
const NEEDS_MONGO = `import { test } from 'node:test'\nimport { needs } from ${NEEDS}\ntest('asks mongo', needs('mongo'), () => {})\n`
const LEAVES = `import { spawn } from 'node:child_process'
import { test } from 'node:test'
test('leaves a process', () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' })
  console.log('left', child.pid)
  child.unref()
})
`

test('run passes the exit code of the tests on and names every server on the last line', async () => {
  await using run = runIn({ 'a/passes.test.ts': PASSES, 'fails.test.ts': FAILS })
  assert.equal(await run.exitCode, 1)
  assert.match(run.stdout, /on purpose/)
  assert.match(run.stdout, /\nservers: amqp not needed, postgres not needed, mongo not needed\n$/)
})

test('run takes only the files that match a filter', async () => {
  await using run = runIn({ 'a/passes.test.ts': PASSES, 'fails.test.ts': FAILS }, ['a/', 'no-such'])
  assert.equal(await run.exitCode, 0)
  assert.match(run.stdout, /pass 1\n/)
})

test('run fails when no file matches', async () => {
  await using run = runIn({ 'passes.test.ts': PASSES }, ['one', 'two'])
  assert.equal(await run.exitCode, 1)
  assert.match(run.stderr, /^Cannot run tests: no \*\.test\.ts in ".*" with one or two in its path\n$/)
})

test('run skips a test with the reason when its server is missing, and fails with CI=true', async () => {
  const env = { PYMAR_TEST_MONGO: `mongodb://127.0.0.1:${await freePort()}` }
  const files = { 'mongo.test.ts': `// Tests of something.\n// needs: mongo\n${NEEDS_MONGO}` }
  await using run = runIn(files, [], env)
  assert.equal(await run.exitCode, 0)
  assert.match(run.stdout, /asks mongo .*# mongo is missing: PYMAR_TEST_MONGO is .*, which does not log in: /)
  assert.match(run.stdout, /skipped 1\n/)
  assert.match(run.stdout, /mongo missing \(PYMAR_TEST_MONGO is .*ECONNREFUSED.*\): tests that need it were skipped\n$/)

  await using ci = runIn(files, [], { ...env, CI: 'true' })
  assert.equal(await ci.exitCode, 1)
  assert.match(ci.stderr, /^Cannot run the tests without a server that they need as CI=true: mongo missing /)
})

test('run fails when a test needs a server that the header of its file does not name, though that of another one does', async () => {
  const env = { PYMAR_TEST_MONGO: `mongodb://127.0.0.1:${await freePort()}` }
  await using run = runIn({ 'mongo.test.ts': NEEDS_MONGO, 'other.test.ts': `// needs: mongo\n${NEEDS_MONGO}` }, [], env)
  assert.equal(await run.exitCode, 1)
  assert.match(run.stdout, /Cannot need server "mongo" here: the file's first lines do not say "\/\/ needs: mongo"/)
})

test('run fails when a header names a server that it does not know', async () => {
  await using run = runIn({ 'redis.test.ts': `// needs: redis\n${PASSES}` })
  assert.equal(await run.exitCode, 1)
  assert.match(run.stderr, /^Cannot need server "redis", named in the header of .*redis\.test\.ts: there are /)
})

const linux = { skip: process.platform === 'linux' ? (false as const) : 'only Linux shows the environment of a process' }
test('run reports and kills a process that outlives the tests, and fails', linux, async () => {
  await using run = runIn({ 'leaves.test.ts': LEAVES })
  assert.equal(await run.exitCode, 1)
  const pid = Number(/left (\d+)/.exec(run.stdout)?.[1])
  assert.match(run.stdout, /pass 1\n/)
  assert.match(run.stderr, new RegExp(`Left behind by the tests, and killed: process ${pid}: .*setInterval`))
  assert.ok(!listProcesses().some((process) => process.pid === pid))
})

/** A run over files of its own. */
function runIn(files: Readonly<Record<string, string>>, filters: readonly string[] = [], env: NodeJS.ProcessEnv = {}): HarnessRun {
  const folder = makeTemporaryFolder('pymar-run')
  writeFileSync(join(folder.path, 'package.json'), '{ "type": "module" }')
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder.path, name)), { recursive: true })
    writeFileSync(join(folder.path, name), text)
  }
  return new HarnessRun('run.ts', ['--in', folder.path, ...filters], env)
}
