import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { type TestContext, test } from 'node:test'
import { listProcesses } from './processes.ts'
import { ServerProcess } from './server-process.ts'

const NEVER = new AbortController().signal

/** Stops it also when the test fails, which would otherwise wait for it for ever. */
function run(t: TestContext, command: string, args: readonly string[]): ServerProcess {
  const server = new ServerProcess(command, args, { cwd: tmpdir(), env: process.env, stopLimitMs: 200 })
  t.after(() => server.stop())
  return server
}

test('ServerProcess.untilReady() fails at once with the last output when the process ends', async (t) => {
  const server = run(t, process.execPath, ['-e', 'console.error("no such folder"); process.exit(3)'])
  await assert.rejects(
    server.untilReady(async () => 'not yet', NEVER),
    /it ended with exit code 3; its last output: no such folder$/,
  )
})

test('ServerProcess.untilReady() fails at once when the program is not there', async (t) => {
  const server = run(t, '/nowhere/mongod', [])
  await assert.rejects(
    server.untilReady(async () => 'not yet', NEVER),
    /ENOENT/,
  )
})

test('ServerProcess.untilReady() ends with the reason when the signal is aborted', async (t) => {
  const interrupted = new AbortController()
  const server = run(t, process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const ready = server.untilReady(async () => 'not yet', interrupted.signal)
  interrupted.abort()
  await assert.rejects(ready, { name: 'AbortError' })
})

test('ServerProcess.stop() kills a process that does not heed the polite signal, and what it started', async (t) => {
  const deaf = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log(process.pid)'
  const script = `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(deaf)}], { stdio: "inherit" }); ${deaf}`
  const server = run(t, process.execPath, ['-e', script])
  await server.untilReady(async () => (server.output.split('\n').length < 2 ? 'not both' : undefined), NEVER)
  const pids = server.output.split('\n').map(Number)
  await Promise.all([server.stop(), server.stop()])
  assert.equal(await server.exited, 'signal SIGKILL')
  assert.equal(pids.length, 2)
  await gone(pids)
})

/** A process that was killed is there until its parent, or the system's first process, asks for its end. */
async function gone(pids: readonly number[]): Promise<void> {
  for (const deadline = Date.now() + 5000; listProcesses().some(({ pid }) => pids.includes(pid)); ) {
    assert.ok(Date.now() < deadline, `still there: ${pids}`)
    await new Promise((turn) => setImmediate(turn))
  }
}
