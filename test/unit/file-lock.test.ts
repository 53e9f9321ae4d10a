import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockFile } from '../../packages/core/dist/ledger/file-lock.js'
import { makeTemporaryFolder } from '../servers/temporary-folder.ts'

/** A file with a lock that somebody has left. */
function withLock(owner: string, use: (path: string) => void) {
  const folder = makeTemporaryFolder('pymar-lock')
  try {
    const path = join(folder.path, 'file')
    writeFileSync(`${path}.lock`, owner)
    use(path)
  } finally {
    folder.remove()
  }
}

test('lockFile() knows a file by whatever name', () => {
  const folder = makeTemporaryFolder('pymar-lock')
  const path = join(folder.path, 'file')
  // One that is not there yet has a name too.
  const unlock = lockFile(path)
  assert.throws(() => lockFile(join(folder.path, '.', 'x', '..', 'file')), /has it open/)
  writeFileSync(path, '')
  symlinkSync(path, join(folder.path, 'link'))
  symlinkSync(folder.path, join(folder.path, 'way'))
  for (const name of ['link', 'way/file', './file']) assert.throws(() => lockFile(join(folder.path, name)), /has it open/)
  unlock()
  lockFile(join(folder.path, 'link'))()
  folder.remove()
})

test('lockFile() takes over what a process has left that is gone, also where its number is used again', () => {
  for (const owner of [`4194304 ${hostname()} 1\n`, `${process.ppid} ${hostname()} 1\n`, `${process.pid} ${hostname()} 1\n`]) {
    // Only Linux says when a process was started.
    if (process.platform !== 'linux' && !owner.startsWith('4194304')) continue
    withLock(owner, (path) => {
      const unlock = lockFile(path)
      assert.match(readFileSync(`${path}.lock`, 'utf8'), new RegExp(`^${process.pid} `))
      unlock()
    })
  }
})

test('lockFile() leaves a lock that may be somebody\u2019s, and says whose', () => {
  withLock(`${process.ppid} ${hostname()}\n`, (path) =>
    assert.throws(() => lockFile(path), new RegExp(`process ${process.ppid} on .* has it open`)),
  )
  withLock('1 elsewhere 5\n', (path) => assert.throws(() => lockFile(path), /process 1 on elsewhere has it open.*delete/))
  withLock('', (path) => assert.throws(() => lockFile(path), /does not say who/))
})

test('lockFile() does not wait for a lock that cannot be read', () => {
  for (const make of [(lock: string) => mkdirSync(lock), (lock: string) => symlinkSync('nowhere', lock)]) {
    const folder = makeTemporaryFolder('pymar-lock')
    make(join(folder.path, 'file.lock'))
    assert.throws(() => lockFile(join(folder.path, 'file')))
    rmSync(join(folder.path, 'file.lock'), { recursive: true })
    lockFile(join(folder.path, 'file'))()
    folder.remove()
  }
})
