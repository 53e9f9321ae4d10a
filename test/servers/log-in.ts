import { setTimeout as pause } from 'node:timers/promises'
import { maskUrl } from './mask-url.ts'
import type { ServerKind } from './server.ts'

/** More than a driver's own limit, which is given first so that it can close its socket. */
const DEADLINE_MS = 8000

/**
 * Tries a URL as its tests will use it.
 *
 * @returns Why it does not log in, in one line without the password; undefined if it does.
 */
export async function loginFailure(kind: Pick<ServerKind, 'logsIn'>, url: string): Promise<string | undefined> {
  const late = new AbortController()
  try {
    await Promise.race([kind.logsIn(url), deadline(late.signal)])
    return undefined
  } catch (error) {
    return describeFailure(error).replaceAll(url, maskUrl(url))
  } finally {
    late.abort()
  }
}

async function deadline(signal: AbortSignal): Promise<never> {
  await pause(DEADLINE_MS, undefined, { signal })
  throw new Error(`no answer within ${DEADLINE_MS / 1000} s`)
}

/** An error in one line. A refused `localhost` is an AggregateError without a message. */
export function describeFailure(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return describeFailure(error.errors[0])
  const text = error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code ?? error.name) : String(error)
  return text.replace(/\s+/g, ' ').trim()
}
