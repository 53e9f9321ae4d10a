// needs: amqp, postgres
import assert from 'node:assert/strict'
import { chmodSync, readdirSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { bringUp, SERVERS, stopServers } from './bring-up.ts'
import { freePort } from './free-port.ts'
import { loginFailure } from './log-in.ts'
import { needs, serverUrl } from './needs.ts'
import { isUp, type ServerKind, type ServerOutcome } from './server.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

const { amqp, postgres } = SERVERS
const NEVER = new AbortController().signal
const ownPostgres = { skip: postgres.findBinary() ? (false as const) : 'no postgres on this machine' }

test('bringUp() uses the servers that the environment names and does not stop them', needs('amqp', 'postgres'), async (t) => {
  const outcomes = await bring(t, [amqp, postgres], { PYMAR_TEST_AMQP: serverUrl('amqp'), PYMAR_TEST_POSTGRES: serverUrl('postgres') })
  assert.deepEqual(outcomes.map(told), ['given by PYMAR_TEST_AMQP', 'given by PYMAR_TEST_POSTGRES'])
  await stopServers(outcomes)
  assert.equal(await loginFailure(amqp, serverUrl('amqp')), undefined)
  assert.equal(await loginFailure(postgres, serverUrl('postgres')), undefined)
})

test('bringUp() calls a server missing, and starts none, when the environment names one that does not log in', ownPostgres, async (t) => {
  const port = await freePort()
  const [outcome] = await bring(t, [postgres], { PYMAR_TEST_POSTGRES: `postgres://me:secret@127.0.0.1:${port}/postgres` })
  const url = `postgres://me:***@127.0.0.1:${port}/postgres`
  assert.equal(told(outcome), `PYMAR_TEST_POSTGRES is ${url}, which does not log in: connect ECONNREFUSED 127.0.0.1:${port}`)
})

test('bringUp() uses a server on its default port and does not stop it', needs('postgres'), async (t) => {
  const url = serverUrl('postgres')
  const outcomes = await bring(t, [{ ...postgres, defaultUrls: [url] }])
  assert.equal(told(outcomes[0]), `already at ${new URL(url).host}`)
  await stopServers(outcomes)
  assert.equal(await loginFailure(postgres, url), undefined)
})

test('bringUp() starts a server when its default port answers but does not log in, and leaves nothing of that', ownPostgres, async (t) => {
  const listener = createServer((socket) => socket.on('error', () => {}).destroy())
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise((resolve) => listener.close(resolve)))
  const { port } = listener.address() as AddressInfo
  const folder = holdTemporaryFiles(t)

  const outcomes = await bring(t, [{ ...postgres, defaultUrls: [`postgres://me@127.0.0.1:${port}/postgres`] }])
  assert.equal(told(outcomes[0]), `from ${postgres.findBinary()}`)
  assert.equal(readdirSync(folder).length, 1)
  await stopServers(outcomes)
  const [server] = outcomes.filter(isUp)
  assert.match((await loginFailure(postgres, server?.url ?? '')) ?? '', /ECONNREFUSED/)
  assert.deepEqual(readdirSync(folder), [])
})

test('bringUp() says of each attempt what it found when there is no server', async (t) => {
  const { debianPackage: _, ...withoutPackage } = postgres
  const port = await freePort()
  const nowhere: ServerKind = {
    ...withoutPackage,
    program: 'no-such-server',
    composeService: 'no-such-service',
    defaultUrls: [`postgres://me:secret@127.0.0.1:${port}/`],
    findBinary: () => undefined,
  }
  const [outcome] = await bring(t, [nowhere])
  assert.match(told(outcome), new RegExp(`^nothing at 127.0.0.1:${port}, no no-such-server on this machine, .*docker`))
})

test('bringUp() says what a program wrote, and leaves no folder, when it does not start', async (t) => {
  const folder = holdTemporaryFiles(t)
  const broken: ServerKind = {
    ...postgres,
    defaultUrls: [],
    composeService: 'no-such-service',
    findBinary: () => '/usr/bin/broken',
    start: async () => {
      throw new Error('no space left')
    },
  }
  const said: string[] = []
  const [outcome] = await bring(t, [broken], {}, said)
  assert.match(told(outcome), /\/usr\/bin\/broken did not start: no space left, .*docker/)
  assert.deepEqual(said, ['no space left'])
  assert.deepEqual(readdirSync(folder), [])
})

test('bringUp() stops the servers that came up when it is interrupted', ownPostgres, async () => {
  const interrupted = new AbortController()
  let url = ''
  const late: ServerKind = {
    ...amqp,
    defaultUrls: [],
    findBinary: () => '/usr/bin/late',
    start: (_binary, _folder, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  }
  const quick: ServerKind = {
    ...postgres,
    defaultUrls: [],
    start: async (...args) => {
      const server = await postgres.start(...args)
      url = server.url
      setImmediate(() => interrupted.abort(new Error('enough')))
      return server
    },
  }
  const context = { env: {}, signal: interrupted.signal, say: () => {} }
  await assert.rejects(bringUp([late, quick], context), /enough/)
  assert.match((await loginFailure(postgres, url)) ?? '', /ECONNREFUSED/)
})

async function bring(
  t: TestContext,
  kinds: readonly ServerKind[],
  env: NodeJS.ProcessEnv = {},
  said: string[] = [],
): Promise<ServerOutcome[]> {
  const outcomes = await bringUp(kinds, { env, signal: NEVER, say: (line) => said.push(line) })
  t.after(() => stopServers(outcomes)) // a test that fails would wait for them for ever
  return outcomes
}

/** Where the temporary files of this test go, into which another user may look. */
function holdTemporaryFiles(t: TestContext): string {
  const folder = makeTemporaryFolder('pymar-bring-up')
  chmodSync(folder.path, 0o755)
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = folder.path
  t.after(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    folder.remove()
  })
  return folder.path
}

function told(outcome: ServerOutcome | undefined): string {
  assert.ok(outcome)
  return isUp(outcome) ? outcome.how : outcome.why.join(', ')
}
