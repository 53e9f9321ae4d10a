// Starts a slot as it is started where the kernel cannot end it with its parent, and gives it an endless loop.
import { fork } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

const child = join(dirname(createRequire(import.meta.url).resolve('@pymar/core/package.json')), 'dist', 'slot', 'child.js')
const slot = fork(child, [String(process.pid), 'thread'], { serialization: 'advanced', stdio: ['ignore', 2, 1, 'ipc'] })
slot.send({ type: 'load', url: pathToFileURL('endless.mjs').href, loader: 'node' })
slot.send({ type: 'open', job: { id: 'j', partitions: 1, producer: 'Endless' } })
const partition = { index: 0, offset: 0, limit: 1 }
const { encode } = await import(pathToFileURL(join(dirname(child), '..', 'wire', 'codec.js')).href)
slot.send({ type: 'run', ticket: 1, job: 'j', work: { kind: 'partition', partition, attempt: 1, slice: encode([1], 'items') } })
