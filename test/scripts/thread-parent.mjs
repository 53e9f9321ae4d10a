// Starts a slot as it is started where the kernel cannot end it with its parent, and gives it an endless loop.
import { fork } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

const child = join(dirname(createRequire(import.meta.url).resolve('@pymar/core/package.json')), 'dist', 'slot', 'child.js')
const slot = fork(child, [String(process.pid), 'thread'], { serialization: 'advanced', stdio: ['ignore', 2, 1, 'ipc'] })
const { encode } = await import(pathToFileURL(join(dirname(child), '..', 'wire', 'codec.js')).href)
const { jobFileAt } = await import(pathToFileURL(join(dirname(child), '..', 'job', 'job-file.js')).href)
const task = { kind: 'partition', partition: { index: 0, offset: 0, limit: 1 }, attempt: 1, slice: encode([1], 'items') }
slot.send([
  { type: 'load', file: await jobFileAt(pathToFileURL('endless.mjs').href) },
  { type: 'open', job: { id: 'j', partitions: 1, producer: { name: 'Endless' } } },
  { type: 'run', ticket: 1, job: 'j', task },
])
