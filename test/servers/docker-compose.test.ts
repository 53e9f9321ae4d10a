import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startComposeService } from './docker-compose.ts'
import { FakeTool } from './fake-tool.ts'

/*
 * With a script in place of docker: these tests must not touch containers of the machine that they run on.
 */

const NEVER = new AbortController().signal

test('startComposeService() says that there is no engine when docker does not reach one', async () => {
  using docker = new FakeTool('docker', '[ "$1" != info ]')
  assert.equal(await startComposeService('mongo', NEVER), 'no docker engine')
  assert.deepEqual(docker.calls, ['info'])
})

test('startComposeService() says that compose is missing when docker does not know it', async () => {
  using _docker = new FakeTool('docker', '[ "$1" = info ]')
  assert.equal(await startComposeService('mongo', NEVER), 'docker has no compose')
})

test('startComposeService() takes the container away that was not there before, and no other', async () => {
  using docker = new FakeTool('docker', 'true')
  assert.deepEqual(await bringUpAndStop(docker), ['up --detach --wait mongo', 'rm --stop --force --volumes mongo'])
})

test('startComposeService() stops a container that was there, stopped, and leaves it', async () => {
  using docker = new FakeTool('docker', 'case "$*" in *--all*) echo 1a2b;; esac')
  assert.deepEqual(await bringUpAndStop(docker), ['up --detach --wait mongo', 'stop mongo'])
})

test('startComposeService() leaves a container alone that was running', async () => {
  using docker = new FakeTool('docker', 'case "$*" in *ps*) echo 1a2b;; esac')
  assert.deepEqual(await bringUpAndStop(docker), ['up --detach --wait mongo'])
})

test('startComposeService() says why, and takes away what it made, when the service does not come up', async () => {
  using docker = new FakeTool('docker', 'case "$*" in *up*) echo pulling; echo port is taken >&2; exit 1;; esac')
  assert.equal(await startComposeService('mongo', NEVER), 'docker compose could not bring up mongo (port is taken)')
  assert.deepEqual(changes(docker), ['up --detach --wait mongo', 'rm --stop --force --volumes mongo'])
})

async function bringUpAndStop(docker: FakeTool): Promise<string[]> {
  const service = await startComposeService('mongo', NEVER)
  assert.ok(typeof service !== 'string', `no service: ${service}`)
  await service.stop()
  return changes(docker)
}

/** What was done with compose's file, but for looking. */
function changes(docker: FakeTool): string[] {
  return docker.calls.flatMap((call) => /^compose -f \S+compose\.yaml ((?:up|stop|rm|down) .*)$/.exec(call)?.[1] ?? [])
}
