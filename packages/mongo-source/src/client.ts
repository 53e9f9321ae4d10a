import { PymarError } from '@pymar/core'
import {
  BSON,
  type ClientSession,
  type Document,
  MongoClient,
  MongoError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  ReadPreference,
  type RunCommandCursor,
} from 'mongodb'
import { BLOCK_DOCUMENTS, type Command } from './commands.ts'
import { sourceFailed, withoutPassword } from './errors.ts'
import type { Place, Reading } from './settings.ts'

/** A server that does not answer for so long, in milliseconds, is not there; the URI may say otherwise. */
const CONNECT_LIMIT_MS = 10_000

export type Client = MongoClient
type Session = ClientSession
export type Cursor = RunCommandCursor
export type { Document }

/**
 * Connects as CONF says.
 *
 * @throws {PymarError} `SOURCE_FAILED` with the driver's error; `INVALID_ARGUMENT` for a URI that the driver cannot read.
 */
export async function connect({ name, uri }: Place, appName: string): Promise<Client> {
  const client = clientOf(name, uri, appName)
  try {
    return await client.connect()
  } catch (error) {
    await client.close().catch(() => {})
    throw sourceFailed('connect to the server of', name, error)
  }
}

function clientOf(name: string, uri: string, appName: string): Client {
  // Part of a password would be taken for a host, and be named where that is not found.
  if ((uri.split('?')[0] as string).split('@').length > 2)
    throw new PymarError(
      'INVALID_ARGUMENT',
      `Cannot read CONF of ${name} as its uri must be one of MongoDB: it has more than one @; ${ENCODE}`,
    )
  try {
    // What the URI says counts.
    const given = new Set([...new URLSearchParams(uri.slice(uri.indexOf('?') + 1)).keys()].map((key) => key.toLowerCase()))
    return new MongoClient(uri, {
      ...(!given.has('appname') && { appName }),
      ...(!given.has('serverselectiontimeoutms') && { serverSelectionTimeoutMS: CONNECT_LIMIT_MS }),
    })
  } catch (error) {
    // Not its cause: that may have the password in it.
    const found = withoutPassword(error instanceof Error ? error.message : String(error))
    const advice = uri.includes('@') ? `; ${ENCODE}` : ''
    throw new PymarError('INVALID_ARGUMENT', `Cannot read CONF of ${name} as its uri must be one of MongoDB: ${found}${advice}`)
  }
}

const ENCODE = "of a user's name and a password write : / ? # [ ] @ % as encodeURIComponent() does"

/** How long connections may be idle, in milliseconds, where the URI says so. */
export function idleMsOf(client: Client): number | undefined {
  return client.options.maxIdleTimeMS || undefined
}

/** A client, with a session of its own for what is asked of it: the server ends that by the session's name. */
export interface Connection {
  readonly client: Client
  readonly session: Session
  /** Aborted when nothing is to be asked any more. */
  readonly signal: AbortSignal
}

export function withSession(client: Client, signal: AbortSignal): Connection {
  return { client, session: client.startSession({ causalConsistency: false }), signal }
}

/** Has the server end what it does for a session, and forget what it holds for it. */
export async function killSession({ client, session }: Pick<Connection, 'client' | 'session'>): Promise<void> {
  await client.db('admin').command({ killSessions: [session.id] })
}

/** Sends a command. @returns The server's answer. */
export async function send({ client, session, signal }: Connection, reading: Reading, command: Command): Promise<Document> {
  signal.throwIfAborted()
  // Regular expressions as they are, since those of JavaScript have other options.
  return client.db(reading.db).command(command, { readPreference: preferenceOf(client, reading), session, bsonRegExp: true })
}

/** The documents that a command gives in a single batch. */
export async function documentsOf(connection: Connection, reading: Reading, command: Command): Promise<Document[]> {
  return (await send(connection, reading, command))['cursor'].firstBatch
}

/** Sends a command that reads, in batches of a block. */
export function openCursor({ client, session }: Connection, reading: Reading, command: Command): Cursor {
  const options = { readPreference: preferenceOf(client, reading), session, raw: reading.raw }
  const cursor = client.db(reading.db).runCursorCommand(command, options)
  return cursor.setBatchSize(BLOCK_DOCUMENTS)
}

/** Commands do not take it from the URI by themselves. */
function preferenceOf(client: Client, { preference }: Reading): ReadPreference {
  return preference === undefined ? client.options.readPreference : ReadPreference.fromString(preference)
}

/** The read concern that the URI says, if it does. */
export function concernOf(client: Client): string | undefined {
  return client.options.readConcern?.level
}

/** Whether the server has refused a command, for whatever reason. */
export function isRefusal(error: unknown): error is MongoServerError {
  return error instanceof MongoServerError
}

/** What a server gives, or undefined if it refuses: a way that it does not know, or that is not for this collection. */
export async function refusedOr<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (isRefusal(error)) return undefined
    throw error
  }
}

/** Whether another try may do: the connection was lost, or the server has just changed its part in its replica set. */
export function mayTryAgain(error: unknown): boolean {
  if (error instanceof MongoNetworkError || error instanceof MongoServerSelectionError) return true
  return (error instanceof MongoError && error.hasErrorLabel('RetryableError')) || isStepDown(error)
}

/** NotWritablePrimary, PrimarySteppedDown, ShutdownInProgress, InterruptedAtShutdown, InterruptedDueToReplStateChange, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary. */
const STEP_DOWNS: ReadonlySet<unknown> = new Set([10_107, 189, 91, 11_600, 11_602, 13_435, 13_436])

function isStepDown(error: unknown): boolean {
  return isRefusal(error) && STEP_DOWNS.has(error.code)
}

/** Values of BSON as text, for people and for comparing them. */
export function toText(value: unknown): string {
  return BSON.EJSON.stringify(value, { relaxed: false })
}

/** Values of BSON as bytes, which keep their types. */
export function pack(value: unknown): Uint8Array {
  return BSON.serialize({ value })
}

export function unpack(bytes: Uint8Array): unknown {
  return BSON.deserialize(bytes, { promoteValues: false, bsonRegExp: true })['value']
}
