// needs: amqp
// What nobody should have sent, and names that no broker can carry.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Producer } from '@pymar/core'
import { connect } from 'amqplib'
import { pack } from '../../packages/core/dist/wire/frame.js'
import { Busy, Items } from '../jobs/busy.mjs'
import { Sum } from '../jobs/faults.ts'
import { Prints } from '../jobs/prints.mjs'
import { start } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { namespace, startWorker, WORKER } from './workers.ts'

const ANSWER = Array.from({ length: 100 }, (_, i) => i).join(' ')
const fileOf = (job: string) => fileURLToPath(new URL(`../jobs/${job}`, import.meta.url))
const options = () => ({ queue: serverUrl('amqp'), namespace, timeoutMs: 30_000 })

test('tasks that hold nothing, or that answer to a queue which is none of ours, keep no worker from its work', needs('amqp'), async () => {
  const worker = await startWorker(fileOf('busy.mjs'), '-w', '1', '-p', 'Busy')
  const queue = `pymar.1.${namespace}.Busy.${/fingerprint (\w+)/.exec(worker.said())?.[1]}`
  const model = await connect(serverUrl('amqp'), { noDelay: true })
  const channel = await model.createChannel()
  const locked = await channel.assertQueue('', { exclusive: true })
  for (let i = 0; i < 4; i++) {
    const message = { type: 'partitions', job: `g${i}`, of: 1, source: 'Items' }
    channel.sendToQueue(queue, pack([{ message: { ...message, tasks: [] } }]), { replyTo: 'nobody' })
    channel.sendToQueue(queue, pack([{ message: { ...message, tasks: [[0, 1, 0, 5]] } }]), { replyTo: locked.queue })
  }
  assert.equal(await Busy.map(Items, options()), ANSWER)
  await model.close()
  assert.equal(await worker.end(), 0)
})

test('a class whose name no broker can carry is refused before anything is sent, by both sides', needs('amqp'), async () => {
  for (const name of ['L'.repeat(300), 'two\nlines']) {
    const Named = { [name]: class extends Producer<unknown> {} }[name] as typeof Sum
    Object.assign(Named, { mapFn: Sum.mapFn, reduceFn: Sum.reduceFn })
    const failed = Named.map([1], { ...options(), module: fileOf('long-name.mjs') })
    await assert.rejects(failed, {
      code: 'INVALID_ARGUMENT',
      message: /^Cannot use producer ".+" over a broker as it must have a name of 1 to 128 bytes/s,
    })
  }
  const worker = await startWorker(fileOf('long-name.mjs'), '-w', '1')
  assert.equal(worker.child.exitCode, 1)
  assert.match(worker.said(), /^INVALID_ARGUMENT: Cannot use producer "L+" over a broker .* it takes 300 bytes\n$/)
})

test('a worker whose stderr nobody reads any more goes on', needs('amqp'), async () => {
  const command = [WORKER, fileOf('prints.mjs'), '-q', serverUrl('amqp'), '-w', '1', '-v', '--namespace', namespace]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'pipe'] })
  for await (const chunk of child.stderr) if (String(chunk).includes('ready')) break
  child.stderr.destroy()
  assert.equal(await Prints.map([1, 2], options()), 2)
  assert.equal(await Prints.map([1, 2, 3], options()), 3)
  child.kill()
  assert.deepEqual(await once(child, 'exit'), [0, null])
})

test('a broker that says nothing is given up after brokerTimeoutMs, and keeps no script alive', async () => {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const startedAt = performance.now()
  const failed = Sum.map([1], { queue: `127.0.0.1:${port}`, brokerTimeoutMs: 1000 })
  await assert.rejects(failed, { code: 'BROKER' })
  assert.ok(performance.now() - startedAt < 5000, 'it waited for more than brokerTimeoutMs')
  const script = await start(['times-out.mjs'], { PYMAR_QUEUE: `127.0.0.1:${port}` }).ended
  assert.deepEqual([script.code, script.out], [0, 'TIMEOUT\n'])
  assert.ok(performance.now() - startedAt < 10_000, 'the script did not end')
  server.close()
})
