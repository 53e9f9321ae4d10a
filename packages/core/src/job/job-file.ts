import { codeOf } from './code.ts'
import { type Loader, loaderFor } from './loader.ts'

/** A job file as slots are told to load it. */
export interface JobFileAt {
  readonly url: string
  readonly loader: Loader
  /** Its code as it was: a slot that loads something else is of no use beside those that did not. */
  readonly code: string
}

const known = new Map<string, Promise<JobFileAt>>()

/** Looks at a job file, once in the life of this process: warm slots have loaded what it was then. */
export function jobFileAt(url: string): Promise<JobFileAt> {
  const found = known.get(url) ?? readJobFile(url)
  known.set(url, found)
  return found
}

/** Looks at a job file as it is now. */
export async function readJobFile(url: string): Promise<JobFileAt> {
  return { url, loader: await loaderFor(url), code: codeOf(url) }
}
