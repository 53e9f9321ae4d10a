// needs: postgres
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePort } from './free-port.ts'
import { HarnessRun } from './harness-run.ts'
import { needs, serverUrl } from './needs.ts'
import { postgres } from './postgres.ts'

const ownPostgres = { skip: postgres.findBinary() ? (false as const) : 'no postgres on this machine' }
const WAIT = 'console.log("waiting"); setInterval(() => {}, 1000)'

function withServers(options: readonly string[], code: string, env: NodeJS.ProcessEnv = {}): HarnessRun {
  return new HarnessRun('with-servers.ts', [...options, '--', process.execPath, '-e', code], env)
}

test(
  'with-servers hands the URL over, says where it is from without the password, and passes the exit code on',
  needs('postgres'),
  async () => {
    const url = new URL(serverUrl('postgres'))
    url.searchParams.set('password', 'secret')
    await using run = withServers(['--need', 'postgres'], 'console.log(process.env.PYMAR_TEST_POSTGRES); process.exit(7)', {
      PYMAR_TEST_POSTGRES: url.href,
    })
    assert.equal(await run.exitCode, 7)
    assert.equal(run.stdout, `${url.href}\n`)
    assert.match(run.stderr, /^servers: postgres given by PYMAR_TEST_POSTGRES, .*password=\*\*\*\n$/)
  },
)

test('with-servers stops what it started when the command fails', ownPostgres, async () => {
  await using run = withServers(['--own', '--need', 'postgres'], 'process.exit(5)')
  assert.equal(await run.exitCode, 5)
  assert.match(run.stderr, /postgres from /)
  assert.deepEqual(run.traces(), [])
})

test('with-servers stops what it started when the command is killed', ownPostgres, async () => {
  await using run = withServers(['--own', '--need', 'postgres'], 'process.kill(process.pid, "SIGKILL")')
  assert.equal(await run.exitCode, 128 + 9)
  assert.deepEqual(run.traces(), [])
})

test('with-servers passes a signal on to the command and stops what it started', ownPostgres, async () => {
  await using run = withServers(['--own', '--need', 'postgres'], WAIT)
  await run.untilPrinted('waiting')
  assert.notDeepEqual(run.traces(), [])
  run.child.kill('SIGTERM')
  assert.equal(await run.exitCode, 128 + 15)
  assert.deepEqual(run.traces(), [])
})

test('with-servers stops what it started when a signal comes before the servers are up', ownPostgres, async () => {
  await using run = withServers(['--own', '--need', 'postgres'], WAIT)
  for (const deadline = Date.now() + 20_000; run.traces().length === 0; ) {
    assert.ok(Date.now() < deadline, 'nothing was started')
    await new Promise((turn) => setImmediate(turn))
  }
  run.child.kill('SIGINT')
  assert.equal(await run.exitCode, 128 + 2)
  assert.equal(run.stdout, '')
  assert.deepEqual(run.traces(), [])
})

test('with-servers unsets the variable of a missing server, and fails with CI=true before the command', async () => {
  const url = `mongodb://u:secret@127.0.0.1:${await freePort()}`
  const print = 'console.log(process.env.PYMAR_TEST_MONGO, process.env.PYMAR_TEST_MONGO_MISSING)'
  await using run = withServers(['--need', 'mongo'], print, { PYMAR_TEST_MONGO: url })
  assert.equal(await run.exitCode, 0)
  assert.match(run.stdout, /^undefined PYMAR_TEST_MONGO is mongodb:\/\/u:\*\*\*@\S+, which does not log in: /)
  assert.match(run.stderr, /^servers: mongo missing \(PYMAR_TEST_MONGO is /)

  await using ci = withServers(['--need', 'mongo'], print, { PYMAR_TEST_MONGO: url, CI: 'true' })
  assert.equal(await ci.exitCode, 1)
  assert.equal(ci.stdout, '')
  assert.match(ci.stderr, /without these servers as CI=true/)
})

test('with-servers refuses a server that it does not know, and a command without --', async () => {
  await using unknown = withServers(['--need', 'redis'], '0')
  assert.equal(await unknown.exitCode, 2)
  assert.match(unknown.stderr, /^Cannot need server "redis", named in --need: there are amqp, postgres, mongo\n/)
  await using bare = new HarnessRun('with-servers.ts', ['node'])
  assert.equal(await bare.exitCode, 2)
})

test('with-servers exits with 127 when the command is not there', async () => {
  await using run = new HarnessRun('with-servers.ts', ['--need', 'mongo', '--', 'no-such-command'], {
    PYMAR_TEST_MONGO: `mongodb://127.0.0.1:${await freePort()}`,
  })
  assert.equal(await run.exitCode, 127)
  assert.match(run.stderr, /Cannot run "no-such-command"/)
})
