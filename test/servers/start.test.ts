// needs: amqp, postgres
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { test } from 'node:test'
import { SERVERS } from './bring-up.ts'
import { loginFailure } from './log-in.ts'
import { listProcesses, type Process } from './processes.ts'
import type { ServerKind, StartedServer } from './server.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

const NEVER = new AbortController().signal
const { amqp, postgres, mongo } = SERVERS
const seesProcesses = process.platform === 'linux'

for (const kind of [amqp, postgres, mongo]) {
  test(`ServerKind.start() logs in, and after stop() no process is left: ${kind.name}`, withBinary(kind), async () => {
    await using trial = new Trial(kind)
    const server = await trial.start(NEVER)
    const commands = trial.processes().map(({ command }) => command)
    if (seesProcesses) assert.ok(commands.length > 0)
    if (seesProcesses && kind === amqp) assert.ok(commands.some((command) => /epmd/.test(command)))
    assert.equal(await loginFailure(kind, server.url), undefined)
    await Promise.all([server.stop(), server.stop()])
    assert.match((await loginFailure(kind, server.url)) ?? '', /ECONNREFUSED/)
    trial.assertNothingLeft()
  })

  const linux = { skip: withBinary(kind).skip || (!seesProcesses && 'only Linux shows what was started') }
  test(`ServerKind.start() leaves no process when it is interrupted: ${kind.name}`, linux, async () => {
    await using trial = new Trial(kind)
    const interrupted = new AbortController()
    const refused = assert.rejects(trial.start(interrupted.signal), /enough/)
    // epmd and a node, or initdb and what it starts
    await trial.untilProcesses(kind === mongo ? 1 : 2)
    interrupted.abort(new Error('enough'))
    await refused
    trial.assertNothingLeft()
  })
}

const asRoot = process.getuid?.() === 0 && seesProcesses ? withBinary(postgres) : { skip: 'this is not root on Linux' }
test('postgres.start() runs PostgreSQL as somebody else when this is root', asRoot, async () => {
  await using trial = new Trial(postgres)
  const server = await trial.start(NEVER)
  const owners = trial.processes().map(({ pid }) => statSync(`/proc/${pid}`).uid)
  await server.stop()
  assert.ok(owners.length > 0)
  assert.ok(!owners.includes(0))
})

function withBinary(kind: ServerKind): { skip: string | false } {
  return { skip: kind.findBinary() ? false : `no ${kind.program} on this machine` }
}

/** One start of a server, in a folder by which its processes are known. */
class Trial {
  readonly #kind: ServerKind
  readonly #folder = makeTemporaryFolder('pymar-start')

  constructor(kind: ServerKind) {
    this.#kind = kind
  }

  start(signal: AbortSignal): Promise<StartedServer> {
    return this.#kind.start(this.#kind.findBinary() ?? '', this.#folder.path, signal)
  }

  /** PostgreSQL overwrites its environment; epmd has nothing else that shows the folder. */
  processes(): Process[] {
    const { path } = this.#folder
    const uses = ({ command, cwd, environment }: Process) =>
      command.includes(path) || cwd.startsWith(path) || environment.includes(`HOME=${path}`)
    return listProcesses().filter(uses)
  }

  async untilProcesses(count: number): Promise<void> {
    for (const deadline = Date.now() + 10_000; this.processes().length < count; ) {
      assert.ok(Date.now() < deadline, `fewer than ${count} processes`)
      await new Promise((turn) => setImmediate(turn))
    }
  }

  assertNothingLeft(): void {
    assert.deepEqual(
      this.processes().map(({ command }) => command),
      [],
    )
  }

  /** Also after a test that failed, which would otherwise wait for its server for ever. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of this.processes()) process.kill(pid, 'SIGKILL')
    this.#folder.remove()
  }
}
