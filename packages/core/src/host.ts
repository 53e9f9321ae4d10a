import type { Progress } from './options.ts'

/** What the program that runs a script, such as `pymar run`, wants of every job in it. */
export interface Host {
  /** Cancels every job, those that start later too. */
  readonly signal: AbortSignal
  /** Told of each job when it starts; `name` is its producer's. */
  jobStarted(name: string): JobObserver
}

export interface JobObserver {
  /** Told where the producer's class was found. */
  located(jobFile: string): void
  progress(progress: Progress): void
  ended(): void
}

/** The script may import another copy of this package than the program that runs it. */
const HOST = Symbol.for('@pymar/core/host')

export function setHost(host: Host): void {
  Object.defineProperty(globalThis, HOST, { value: host })
}

export function currentHost(): Host | undefined {
  return (globalThis as unknown as Record<symbol, Host | undefined>)[HOST]
}
