// needs: amqp
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { test } from 'node:test'
import { startWorker } from '@pymar/core'
import { Join } from '../jobs/joins.ts'
import { freePort } from '../servers/free-port.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { namespace } from './workers.ts'

test('a broker that is not there fails a job with BROKER, after brokerTimeoutMs, saying what was tried', async () => {
  const job = Join.map([1], { queue: 'user:secret@127.0.0.1:1', brokerTimeoutMs: 300, slots: 1 })
  const message = /^Cannot connect to broker amqp:\/\/user:\*\*\*@127\.0\.0\.1:1: .*ECONNREFUSED.*, for 300 ms$/
  await assert.rejects(job, { code: 'BROKER', message })
  assert.equal(await Join.map([1, 2], { queue: '127.0.0.1:1', localMode: true, slots: 1 }), '1 2')
})

test('a broker that comes later is found by the next job', needs('amqp'), async () => {
  const broker = new URL(serverUrl('amqp'))
  const url = new URL(broker)
  url.host = `127.0.0.1:${await freePort()}`
  const start = (brokerTimeoutMs: number) => Join.map([1], { queue: url.href, brokerTimeoutMs, workerTimeoutMs: 100, namespace, slots: 1 })
  await assert.rejects(start(300), { code: 'BROKER' })
  const clients: Socket[] = []
  const proxy = createServer((client) => {
    clients.push(client)
    pipeline(client, connect(Number(broker.port || 5672), broker.hostname), client, () => {})
  })
  proxy.listen(Number(url.port), '127.0.0.1')
  await once(proxy, 'listening')
  // There is nobody to compute anything, but the broker is there; and jobs share one connection.
  await assert.rejects(start(20_000), { code: 'NO_WORKERS' })
  await assert.rejects(start(20_000), { code: 'NO_WORKERS' })
  assert.equal(clients.length, 1)
  proxy.close()
  for (const client of clients) client.destroy()
})

test('a broker whose name is none is refused', async () => {
  for (const queue of ['http://localhost', 'amqp://', 'a b']) {
    await assert.rejects(Join.map([1], { queue }), {
      code: 'INVALID_ARGUMENT',
      message: /^Cannot read broker ".*" as it must be a host, host:port, or a URL/,
    })
  }
  await assert.rejects(Join.map([1], { queue: 'localhost', namespace: 'a.b' }), { code: 'INVALID_ARGUMENT' })
})

test('refused credentials fail a job and a worker at once, without the password', needs('amqp'), async () => {
  const url = new URL(serverUrl('amqp'))
  url.username = 'nobody'
  url.password = 'wrong'
  const refusal = { code: 'BROKER', message: /^Cannot connect to broker amqp:\/\/nobody:\*\*\*@.*: .*ACCESS.REFUSED/ }
  const started = performance.now()
  await assert.rejects(Join.map([1], { queue: url.href, slots: 1 }), refusal)
  await assert.rejects(startWorker(new URL('../jobs/joins.ts', import.meta.url), { queue: url.href, slots: 1 }), refusal)
  assert.ok(performance.now() - started < 10_000)
})

test('a virtual host that is not there fails a job at once', needs('amqp'), async () => {
  const url = new URL(serverUrl('amqp'))
  url.pathname = '/nowhere'
  const started = performance.now()
  await assert.rejects(Join.map([1], { queue: url.href, slots: 1 }), {
    code: 'BROKER',
    message: /its virtual host is not there, this user/,
  })
  assert.ok(performance.now() - started < 10_000)
})

test('a host with several addresses says what each of them answered', async () => {
  const job = Join.map([1], { queue: 'localhost:1', brokerTimeoutMs: 200, slots: 1 })
  await assert.rejects(job, { code: 'BROKER', message: /ECONNREFUSED/ })
})
