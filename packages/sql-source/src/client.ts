import { PymarError } from '@pymar/core'
import pg from 'pg'
import { sourceFailed } from './errors.ts'
import type { Settings } from './settings.ts'

export type Client = pg.Client

/** A server that does not answer for so long, in milliseconds, is not there; CONF may say otherwise. */
const CONNECT_LIMIT_MS = 10_000

/**
 * Connects as CONF says.
 *
 * @throws {PymarError} `SOURCE_FAILED` with the driver's error; `INVALID_ARGUMENT` for a CONF that the driver cannot read.
 */
export async function connect({ name, conf }: Settings, applicationName: string): Promise<Client> {
  const client = clientOf(name, {
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    keepAlive: true,
    fallback_application_name: applicationName,
    ...conf,
  })
  // Whoever uses it is told by what fails.
  client.on('error', () => {})
  try {
    await client.connect()
    return client
  } catch (error) {
    client.end().catch(() => {})
    throw sourceFailed(`connect to ${placeOf(client)} for`, name, error)
  }
}

function clientOf(name: string, conf: Readonly<Record<string, unknown>>): Client {
  try {
    return new pg.Client(conf)
  } catch (error) {
    // Not its cause: that may have the password in it.
    const found = error instanceof Error && 'code' in error ? String(error.code) : 'the driver cannot read it'
    throw new PymarError(
      'INVALID_ARGUMENT',
      `Cannot read CONF of ${name} as it must be a postgres:// URL or the options of a client of pg: ${found}`,
    )
  }
}

function placeOf({ host, port, database, user }: Client): string {
  // A URL that was read otherwise than it was meant may have the password in any of them.
  return [host, database, user].every((part) => /^[\w./-]*$/.test(String(part)))
    ? `${host}:${port} (database ${database}, user ${user})`
    : 'what CONF says'
}

/** Whether a connection keeps the process alive. pg's types do not have it. */
export function keepAlive(client: Client, keepsAlive: boolean): void {
  const { ref, unref } = client as Client & { ref(): void; unref(): void }
  ;(keepsAlive ? ref : unref).call(client)
}

/** What pg's types do not tell of a client. */
interface Inside {
  readonly processID: number
  readonly secretKey: number
  readonly ssl: unknown
  /** Whether TLS begins at once, or is asked for. */
  readonly sslNegotiation: 'direct' | 'postgres'
}

/** What pg does to cancel a query, and its types do not tell of. */
interface Canceller extends NodeJS.EventEmitter {
  connect(portOrPath: number | string, host?: string): void
  requestSsl(): void
  cancel(processID: number, secretKey: number): void
}

/** Has the server end what it does for a client, as whoever holds the client's key may: over a connection of its own, and without logging in. */
export function cancelStatement(client: Client): void {
  const { processID, secretKey, ssl, sslNegotiation } = client as unknown as Inside
  if (processID === undefined || processID === null) return
  const { host, port } = client
  const canceller = new pg.Connection({ ssl, sslNegotiation } as object) as unknown as Canceller
  // That it cannot be told is no loss: its connection is closed too, and then it ends with the next row that it cannot send.
  canceller.on('error', () => {})
  if (ssl && sslNegotiation !== 'direct') canceller.once('connect', () => canceller.requestSsl())
  canceller.once(ssl ? 'sslconnect' : 'connect', () => canceller.cancel(processID, secretKey))
  if (host.startsWith('/')) canceller.connect(`${host}/.s.PGSQL.${port}`)
  else canceller.connect(port, host)
}

/** pg's own parser of a type's text. */
export function parserOf(client: Client, type: number): (text: string) => unknown {
  return client.getTypeParser(type, 'text')
}

/** Rows of an only statement, each an array. */
export async function rowsOf<Row extends unknown[]>(client: Client, sql: string): Promise<Row[]> {
  const { rows } = await client.query<Row>({ text: sql, rowMode: 'array' })
  return rows
}

/** Runs statements that give nothing, in one round trip. */
export async function execute(client: Client, sql: string): Promise<void> {
  await client.query(sql)
}

/** The only row of the last of several statements, in one round trip. */
export async function lastRowOf<Row extends unknown[]>(client: Client, sql: string): Promise<Row> {
  // With several statements there are several results, which pg's types do not say.
  const results = (await client.query<Row>({ text: sql, rowMode: 'array' })) as unknown as readonly { readonly rows: readonly Row[] }[]
  return results.at(-1)?.rows[0] as Row
}
