import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { DebianInstaller } from './debian-package.ts'
import { FakeTool } from './fake-tool.ts'

/*
 * With a script in place of apt-get: that it installs is seen on a machine without the packages, once.
 */

const root = process.getuid?.() === 0
const asRoot = { skip: root && existsSync('/etc/debian_version') ? (false as const) : 'this is not root on Debian' }

test('DebianInstaller.install() says what it installs and for what, one package after the other', asRoot, async () => {
  using apt = new FakeTool('apt-get', 'true')
  const said: string[] = []
  const installer = new DebianInstaller((line) => said.push(line))
  assert.deepEqual(await Promise.all([installer.install('one', 'tests'), installer.install('two', 'tests')]), [undefined, undefined])
  assert.deepEqual(said, ["installing Debian's package one: tests", "installing Debian's package two: tests"])
  assert.deepEqual(
    apt.calls.map((call) => call.replace(/ -.*(?= )/, '')),
    ['update', 'install one', 'update', 'install two'],
  )
})

test('DebianInstaller.install() says what apt-get said when it fails, and goes on with the next package', asRoot, async () => {
  using _apt = new FakeTool('apt-get', 'case "$*" in *install*one) echo reading; echo E: no such package >&2; exit 100;; esac')
  const said: string[] = []
  const installer = new DebianInstaller((line) => said.push(line))
  const [one, two] = await Promise.all([installer.install('one', 'tests'), installer.install('two', 'tests')])
  assert.equal(one, "Debian's one could not be installed (E: no such package)")
  assert.equal(two, undefined)
  assert.ok(said.includes('apt-get install one failed:\nreading\nE: no such package'))
})

test('DebianInstaller.install() runs nothing when this is not root', { skip: root ? 'this is root' : false }, async () => {
  using apt = new FakeTool('apt-get', 'true')
  assert.match((await new DebianInstaller(() => {}).install('one', 'tests')) ?? '', /not root|no Debian/)
  assert.deepEqual(apt.calls, [])
})
