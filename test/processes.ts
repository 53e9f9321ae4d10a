import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const POLL_MS = 20

/** Pids of the living slots of a process. */
export function slotsOf(pid: number): number[] {
  const list = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' })
  return list.split('\n').flatMap((line) => {
    const [child, parent, state] = line.trim().split(/\s+/)
    return Number(parent) === pid && !state?.startsWith('Z') && /slot.child\.js/.test(line) ? [Number(child)] : []
  })
}

/** Whether a process runs; one that has ended and was not waited for does not. */
export function isAlive(pid: number): boolean {
  if (existsSync('/proc/self/stat')) {
    try {
      // The state stands behind the name, which is in parentheses and may hold anything.
      return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    } catch {
      return false
    }
  }
  const state = execFileSync('sh', ['-c', `ps -o stat= -p ${pid} || true`], { encoding: 'utf8' }).trim()
  return state !== '' && !state.startsWith('Z')
}

/** Waits until something holds, and says what did not. Time in which this process waits for its machine does not count. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 5000): Promise<void> {
  let end = performance.now() + limitMs
  for (;;) {
    const [before, used] = [performance.now(), process.cpuUsage()]
    if (await holds()) return
    if (before > end) throw new Error(`not within ${limitMs} ms: ${what}`)
    const asleep = performance.now()
    await sleep(POLL_MS)
    const { user, system } = process.cpuUsage(used)
    end += Math.max(0, performance.now() - asleep - 2 * POLL_MS - (user + system) / 1000)
  }
}

/** Pseudo-random numbers from 0 to 1, the same ones for the same seed. */
export function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const PYMAR = join(dirname(createRequire(import.meta.url).resolve('@pymar/core/package.json')), 'bin', 'pymar.js')
const SCRIPTS = fileURLToPath(new URL('scripts/', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

/** Starts `pymar` with these arguments, in the folder of the test scripts. */
export function pymar(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): { child: ChildProcess; ended: Promise<Ended>; err: () => string } {
  return start([PYMAR, ...args], env)
}

/** Starts `node`, or another command, with these arguments, in the folder of the test scripts. */
export function start(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
  command = process.execPath,
): ReturnType<typeof pymar> {
  const child = spawn(command, args, { cwd: SCRIPTS, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, out, err }))
  return { child, ended, err: () => err }
}
