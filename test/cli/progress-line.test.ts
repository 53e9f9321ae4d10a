import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { describe as describeProgress } from '../../packages/core/dist/cli/progress-line.js'

const LASTING = fileURLToPath(new URL('../scripts/lasting.mjs', import.meta.url))
const PYMAR = fileURLToPath(new URL('../../packages/core/bin/pymar.js', import.meta.url))
const progress = { partitions: 8, done: 2, running: 2, workers: 2, elapsedMs: 500 }

test('describe() tells done and total, rate, slots and the time left', () => {
  assert.equal(describeProgress([progress]), '2/8 partitions, 4.00/s, 2 slots, 2 s left')
  assert.equal(describeProgress([{ ...progress, done: 0 }]), '0/8 partitions, 0.00/s, 2 slots')
  assert.equal(describeProgress([{ ...progress, partitions: 100_002 }]), '2/100002 partitions, 4.00/s, 2 slots, 6 h 56 min left')
  assert.equal(describeProgress([progress, { ...progress, elapsedMs: 1000 }]), '2 jobs, 4/16 partitions, 4.00/s, 2 slots, 3 s left')
})

/** Runs a script in a terminal of its own and returns what it shows there. */
function inTerminal(env: Record<string, string>): string {
  const command = `"${process.execPath}" "${PYMAR}" run "${LASTING}"`
  const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
    encoding: 'utf8',
    env: { ...process.env, TERM: 'xterm', ...env },
  })
  return stdout
}

const terminal = { skip: process.platform === 'linux' && existsSync('/usr/bin/script') ? false : 'no script(1) to make a terminal' }

test('pymar run shows a line of progress on a terminal, and clears it before the result', terminal, () => {
  const shown = inTerminal({})
  assert.match(shown, /\d\/8 partitions, [\d.]+\/s, \d+ slots/)
  // The last thing before the result is an empty line: cleared, and the cursor at its start.
  assert.ok(shown.includes('\x1b[2K\x1b[1G8\r\n'), JSON.stringify(shown))
})

test('PYMAR_PROGRESS=0 shows no progress', terminal, () => {
  assert.doesNotMatch(inTerminal({ PYMAR_PROGRESS: '0' }), /partitions/)
})
