import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'

/** From the signal that was passed on to SIGKILL. */
const END_LIMIT_MS = 10_000
const NOT_FOUND = 127
const NOT_EXECUTABLE = 126

/** Why a harness ends early: the reason of its AbortSignal. */
export class Interrupted extends Error {
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`)
    this.signal = signal
  }
}

/** As a shell would say it. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

/**
 * Runs a command on this process's terminal, and passes a signal on to it.
 *
 * @param interrupted Aborted with an `Interrupted`.
 * @returns Its exit code, 128 + n if it died of signal n, 126 or 127 if it could not be run.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  interrupted: AbortSignal,
): Promise<number> {
  interrupted.throwIfAborted()
  const child = spawn(command, args, { env, stdio: 'inherit' })
  let killer: NodeJS.Timeout | undefined
  const passOn = () => {
    const { signal } = interrupted.reason as Interrupted
    // A terminal sends Ctrl-C to all its processes: a second one would mean "at once" to many of them.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    killer = setTimeout(() => child.kill('SIGKILL'), END_LIMIT_MS)
  }
  interrupted.addEventListener('abort', passOn)
  try {
    return await exitOf(child, command)
  } finally {
    interrupted.removeEventListener('abort', passOn)
    clearTimeout(killer)
  }
}

function exitOf(child: ChildProcess, command: string): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      console.error(`Cannot run "${command}": ${error.message}`)
      resolve(error.code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE)
    })
    child.once('exit', (code, signal) => resolve(signal ? exitCodeOf(signal) : (code ?? 1)))
  })
}
