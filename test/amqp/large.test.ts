// needs: amqp
// What is too large for one message, or worth making smaller.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DataSourceFactory } from '@pymar/core'
import { Picked, Together } from '../jobs/large.mjs'
import { needs, serverUrl } from '../servers/needs.ts'
import { namespace, type RunningWorker, startWorker } from './workers.ts'

const MIB = 2 ** 20
const options = () => ({ queue: serverUrl('amqp'), namespace, timeoutMs: 60_000 })
const same = (given: Uint8Array, arrived: Uint8Array) => assert.ok(Buffer.from(given).equals(arrived))

describe('large values', needs('amqp'), () => {
  let worker: RunningWorker
  before(async () => {
    worker = await startWorker(fileURLToPath(new URL('../jobs/large.mjs', import.meta.url)), '-w', '2', '-v')
  })
  after(() => worker.end())

  for (const [what, bytes] of [
    ['random bytes', new Uint8Array(randomBytes(5 * MIB))],
    ['text', new Uint8Array(Buffer.from('again and again '.repeat(MIB / 4)))],
  ] as const) {
    test(`params and partials of ${bytes.length} bytes arrive: ${what}`, async () => {
      same(bytes, await Together.map(new DataSourceFactory(Picked, { params: { bytes } }), options()))
    })

    test(`items of ${bytes.length} bytes arrive: ${what}`, async () => {
      const items = [bytes, bytes.subarray(7), bytes.subarray(0, 3), bytes.subarray(1, 5)]
      same(Buffer.concat(items), await Together.map(items, options()))
    })
  }
})
