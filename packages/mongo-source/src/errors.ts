import { PymarError } from '@pymar/core'

/** What to do, by MongoDB's code. */
const ADVICE: Readonly<Record<number, string>> = {
  13: 'grant the user of CONF the role read on the database',
  18: 'look at the user, the password and authSource in CONF',
  8000: 'look at the user, the password and authSource in CONF',
  2: 'look at FILTER, PROJECTION, SORT and PIPELINE',
  9: 'look at FILTER, PROJECTION, SORT and PIPELINE',
  43: 'user code took longer for a block than the server keeps a cursor that is not asked: raise cursorTimeoutMillis there (10 minutes by default)',
  // SnapshotTooOld, SnapshotUnavailable
  239: 'the job took longer than the server keeps a snapshot: raise minSnapshotHistoryWindowInSeconds there (300 by default)',
  246: 'the job took longer than the server keeps a snapshot: raise minSnapshotHistoryWindowInSeconds there (300 by default)',
}

/** The error of a source that cannot be read. @param doing What was tried, such as `plan the partitions of`. */
export function sourceFailed(doing: string, name: string, error: unknown): PymarError {
  if (error instanceof PymarError) return error
  const code = (error as { readonly code?: unknown } | undefined)?.code
  const message = withoutPassword(error instanceof Error ? error.message : String(error))
  const isIndexGone = /hint provided does not correspond/.test(message)
  const advice = isIndexGone ? 'an index was dropped meanwhile: start the job again' : typeof code === 'number' ? ADVICE[code] : undefined
  return new PymarError('SOURCE_FAILED', `Cannot ${doing} ${name}: ${message}${advice ? `; ${advice}` : ''}`, { cause: error })
}

/** The error of a source that can be seen not to be readable. */
export function unreadable(name: string, found: string): PymarError {
  return new PymarError('SOURCE_FAILED', `Cannot plan the partitions of ${name}: ${found}`)
}

/** In whatever URI a message quotes. */
export function withoutPassword(text: string): string {
  return text.replace(/(mongodb(?:\+srv)?:\/\/[^:@/\s]*):[^@\s]*@/gi, '$1:***@')
}
