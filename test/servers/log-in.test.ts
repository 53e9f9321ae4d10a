// needs: amqp, postgres
import assert from 'node:assert/strict'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { SERVERS } from './bring-up.ts'
import { freePort } from './free-port.ts'
import { loginFailure } from './log-in.ts'
import { needs, serverUrl } from './needs.ts'

const SCHEMES = { amqp: 'amqp', postgres: 'postgres', mongo: 'mongodb' } as const
const LIMIT_MS = 6000

for (const kind of Object.values(SERVERS)) {
  const scheme = SCHEMES[kind.name]

  test(`loginFailure() has a reason when a port takes connections and says nothing: ${kind.name}`, async () => {
    await using listener = await listen(() => {})
    const began = Date.now()
    assert.ok(await loginFailure(kind, `${scheme}://u:secret@127.0.0.1:${listener.port}`))
    assert.ok(Date.now() - began < LIMIT_MS, 'it took too long')
  })

  test(`loginFailure() has a reason when a port takes connections and closes them: ${kind.name}`, async () => {
    await using listener = await listen((socket) => socket.destroy())
    assert.ok(await loginFailure(kind, `${scheme}://u:secret@127.0.0.1:${listener.port}`))
  })

  test(`loginFailure() says that the connection was refused when nothing listens: ${kind.name}`, async () => {
    assert.match((await loginFailure(kind, `${scheme}://u:secret@127.0.0.1:${await freePort()}`)) ?? '', /ECONNREFUSED/)
  })
}

test('loginFailure() does not show the password when the driver repeats the URL', async () => {
  const logsIn = async (url: string) => assert.fail(`Invalid URL "${url}"`)
  assert.equal(await loginFailure({ logsIn }, 'amqp://u:secret@:1'), 'Invalid URL "amqp://u:***@:1"')
})

test('loginFailure() is undefined when the server logs in', needs('amqp', 'postgres'), async () => {
  assert.equal(await loginFailure(SERVERS.amqp, serverUrl('amqp')), undefined)
  assert.equal(await loginFailure(SERVERS.postgres, serverUrl('postgres')), undefined)
})

test('loginFailure() says that the server refused when it answers and the password is wrong', needs('amqp'), async () => {
  const url = new URL(serverUrl('amqp'))
  url.username = 'nobody'
  url.password = 'secret'
  const why = await loginFailure(SERVERS.amqp, url.href)
  assert.match(why ?? '', /ACCESS_REFUSED|ACCESS-REFUSED/)
  assert.doesNotMatch(why ?? '', /secret/)
})

test('loginFailure() says that the server refused when it answers and the database is not there', needs('postgres'), async () => {
  const url = new URL(serverUrl('postgres'))
  url.pathname = '/no_such_database'
  assert.match((await loginFailure(SERVERS.postgres, url.href)) ?? '', /no_such_database/)
})

/** A port that takes connections. */
async function listen(meet: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    meet(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
