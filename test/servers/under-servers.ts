import { bringUp, SERVERS, stopServers } from './bring-up.ts'
import { exitCodeOf, Interrupted } from './run-command.ts'
import type { ServerName, ServerOutcome } from './server.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** What happens while the servers are up. */
export type Work = (outcomes: readonly ServerOutcome[], interrupted: AbortSignal) => Promise<number>

/**
 * Brings servers up, works, and stops what it started, whatever happens: also on Ctrl-C and SIGTERM.
 *
 * @param options `own`: start servers even where some are there already.
 * @returns The exit code of the work, or 128 + n if signal n came before it began.
 */
export async function underServers(names: readonly ServerName[], options: { readonly own?: boolean }, work: Work): Promise<number> {
  const interrupted = new AbortController()
  const interrupt = (signal: NodeJS.Signals) => interrupted.abort(new Interrupted(signal))
  for (const signal of SIGNALS) process.on(signal, interrupt)
  try {
    const kinds = names.map((name) => SERVERS[name])
    const context = { ...options, env: process.env, signal: interrupted.signal, say: (line: string) => console.error(`servers: ${line}`) }
    const outcomes = await bringUp(kinds, context)
    try {
      return await work(outcomes, interrupted.signal)
    } finally {
      await stopServers(outcomes)
    }
  } catch (error) {
    if (error instanceof Interrupted) return exitCodeOf(error.signal)
    throw error
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt)
  }
}
