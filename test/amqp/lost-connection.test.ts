// needs: amqp
import assert from 'node:assert/strict'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Busy, Items } from '../jobs/busy.mjs'
import { random } from '../processes.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { namespace, startWorker } from './workers.ts'

const ANSWER = Array.from({ length: 100 }, (_, i) => i).join(' ')

/** Stands between clients and the broker, and cuts their connections when it is told. */
class Cutter {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(broker: URL) {
    this.#server = createServer((client) => {
      const upstream = connect(Number(broker.port || 5672), broker.hostname)
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(from)
        from.pipe(to)
        from.on('error', () => to.destroy())
        from.on('close', () => {
          this.#sockets.delete(from)
          to.destroy()
        })
      }
    })
  }

  static async open(broker: URL): Promise<Cutter> {
    const cutter = new Cutter(broker)
    await new Promise<void>((listening) => cutter.#server.listen(0, '127.0.0.1', listening))
    return cutter
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  close(): void {
    this.cut()
    this.#server.close()
  }
}

test('an answer is the same when connections are cut on both sides, in 5 seeded runs', needs('amqp'), async () => {
  const url = new URL(serverUrl('amqp'))
  const cutter = await Cutter.open(new URL(url))
  url.hostname = '127.0.0.1'
  url.port = String(cutter.port)
  const worker = await startWorker(fileURLToPath(new URL('../jobs/busy.mjs', import.meta.url)), '-w', '2', '-q', url.href)
  try {
    for (let seed = 1; seed <= 5; seed++) {
      const next = random(seed)
      const job = Busy.map(Items, { queue: url.href, namespace, timeoutMs: 60_000 })
      let done = 0
      const cuts = (async () => {
        for await (const _ of job.partials()) if (++done % 8 === 0 && next() < 0.7) cutter.cut()
      })()
      assert.equal(await job, ANSWER, `seed ${seed}`)
      await cuts
    }
    const ending = performance.now()
    assert.equal(await worker.end(), 0)
    assert.ok(performance.now() - ending < 10_000, 'the worker holds nothing that it would wait for')
  } finally {
    cutter.close()
  }
})
