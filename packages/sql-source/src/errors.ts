import { PymarError } from '@pymar/core'

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
  '53300': 'each slot keeps one connection, and the script another: allow more (max_connections), or use fewer slots',
  '40001': 'a standby had to give way to its primary: let it wait (max_standby_streaming_delay, hot_standby_feedback), or read the primary',
  '57014': 'if that was a time limit: raise statement_timeout or lock_timeout for this user, or split into more partitions',
}
/** What `SET TRANSACTION SNAPSHOT` says of one that is not there. */
const NO_SNAPSHOT =
  /invalid snapshot identifier|snapshot .* does not exist|source (process|transaction) .* (is )?not running|different database/i

const LOST = 'its snapshot is gone'
const WHY_LOST =
  "the script's connection holds it, and was lost; or a worker reads another server, another database, or a pooler that leads to several"

/** The error of a source that cannot be read. @param doing What was tried, such as `plan the partitions of`. */
export function sourceFailed(doing: string, name: string, error: unknown): PymarError {
  if (error instanceof PymarError) return error
  const message = messageOf(error)
  const lost = NO_SNAPSHOT.test(message)
  const advice = lost ? WHY_LOST : ADVICE[codeOf(error)]
  const found = lost ? `${LOST}: ${message}` : message
  return new PymarError('SOURCE_FAILED', `Cannot ${doing} ${name}: ${found}${advice ? `; ${advice}` : ''}`, { cause: error })
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

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : ''
}

function messageOf(error: unknown): string {
  // Node says nothing of its own where several addresses were tried.
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}
