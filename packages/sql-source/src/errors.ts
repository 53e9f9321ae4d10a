import { PymarError } from '@pymar/core'

const CONNECTIONS =
  'each slot keeps one connection, and the script another: allow more (max_connections, or the pool_size of a pooler), or use fewer slots'

/** What to do, by SQLSTATE. */
const ADVICE: Readonly<Record<string, string>> = {
  '28000': 'look at the user and the password in CONF',
  '28P01': 'look at the user and the password in CONF',
  '3D000': 'look at the database in CONF',
  '3F000': 'look at the schema in TABLE',
  '42P01': 'look at TABLE, and at the schema in it',
  '42703': 'look at COLUMNS, WHERE and ORDER_BY: names are taken as they are, upper case and all',
  '42501': 'grant SELECT to the user of CONF',
  '42P18': 'say its type in the SQL, such as $1::int',
  '42883': 'look at the types: a column of json cannot be sorted or compared, jsonb can',
  '53300': CONNECTIONS,
  '40001': 'a standby had to give way to its primary: let it wait (max_standby_streaming_delay, hot_standby_feedback), or read the primary',
  '55P03': 'somebody holds the table for himself for longer than lock_timeout: raise that for this user, or wait for him',
  '57014': 'if that was a time limit: raise statement_timeout or lock_timeout for this user, or split into more partitions',
}
/** The functions of the server that say that a snapshot is not there: what they say depends on its language. */
const NO_SNAPSHOT = /^(ImportSnapshot|SetTransactionSnapshot|parse\w+FromText)$/

const WHY_LOST =
  "the script's connection holds it, and was lost; or a worker reads another server, another database, or a pooler that leads to several: start the job again, with one server in all CONFs"

/** The error of a source that cannot be read. @param doing What was tried, such as `plan the partitions of`. */
export function sourceFailed(doing: string, name: string, error: unknown): PymarError {
  if (error instanceof PymarError) return error
  const lost = NO_SNAPSHOT.test(String((error as { readonly routine?: unknown } | undefined)?.routine))
  const advice = lost ? WHY_LOST : adviceOn(error)
  const found = `${lost ? 'its snapshot is gone: ' : ''}${messageOf(error)}`
  return new PymarError('SOURCE_FAILED', `Cannot ${doing} ${name}: ${found}${advice ? `; ${advice}` : ''}`, { cause: error })
}

/** The error of a job whose snapshot is lost with the connection that held it. */
export function snapshotLost(name: string, error: unknown): PymarError {
  const advice = adviceOn(error)
  const found = `${messageOf(error)}; other data would be read without it, so the job cannot go on: start it again${advice ? `; ${advice}` : ''}`
  return new PymarError('SOURCE_FAILED', `Cannot hold the snapshot of ${name}: ${found}`, { cause: error })
}

/** The error of a source that can be seen not to be readable. */
export function unreadable(name: string, found: string): PymarError {
  return new PymarError('SOURCE_FAILED', `Cannot plan the partitions of ${name}: ${found}`)
}

/** Whether the connection is gone, or there is none, while the statement may be right: another connection may do. */
export function isConnectionError(error: unknown): boolean {
  const code = codeOf(error)
  if (/^(08|57P0[123])/.test(code)) return true
  if (/^E(CONN|PIPE|HOST|NET|TIMEDOUT|AI_AGAIN)/.test(code)) return true
  return (
    code === '' &&
    /^(Connection terminated|timeout expired|timeout exceeded|Client has encountered a connection error)/.test(messageOf(error))
  )
}

function adviceOn(error: unknown): string | undefined {
  // What PgBouncer says, with a SQLSTATE that says nothing.
  return messageOf(error) === 'query_wait_timeout' ? CONNECTIONS : ADVICE[codeOf(error)]
}

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : ''
}

function messageOf(error: unknown): string {
  // Node says nothing of its own where several addresses were tried.
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}
