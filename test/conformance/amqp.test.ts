// needs: amqp
// What every transport must do, over a broker, with workers in processes of their own.
import { after, before, describe } from 'node:test'
import { fileURLToPath } from 'node:url'
import { namespace, type RunningWorker, startWorker } from '../amqp/workers.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { errors } from './suite-errors.ts'
import { lifecycle } from './suite-lifecycle.ts'
import { results } from './suite-results.ts'
import type { Subject } from './transports.ts'

let workers: RunningWorker[] = []

const amqp: Subject = {
  name: 'amqp',
  map: (producer, source, options) => {
    const start = producer as unknown as { map(source: unknown, options: object): ReturnType<Subject['map']> }
    return start.map(source, { ...options, queue: serverUrl('amqp'), namespace })
  },
}

describe('over a broker', needs('amqp'), () => {
  before(async () => {
    const files = ['joins.ts', 'faults.ts'].map((job) => fileURLToPath(new URL(`../jobs/${job}`, import.meta.url)))
    workers = await Promise.all(files.map((file) => startWorker(file, '-w', '1')))
  })
  after(() => Promise.all(workers.map((worker) => worker.end())))
  results(amqp)
  errors(amqp)
  lifecycle(amqp)
})
