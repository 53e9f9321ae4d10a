import { type Client, cancelStatement, connect, execute, rowsOf } from './client.ts'
import { snapshotLost } from './errors.ts'
import { quoteText } from './quote.ts'
import type { Settings } from './settings.ts'

/** How often it is looked whether slots wait for a lock, in milliseconds. */
const LOOK_MS = 500
/** Limits that would end a session that waits, as long as the job runs. */
const SLOT_LIMITS = ['idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout', 'lock_timeout']
const LIMITS = [...SLOT_LIMITS, 'statement_timeout']
/** Has the server look whether there still is somebody to compute for, in milliseconds; from PostgreSQL 14, where its system can tell. */
const CHECK_MS = 500
const CHECK_SQL = `select set_config(name, '${CHECK_MS}', true) from pg_settings where name = 'client_connection_check_interval' and version() ~ 'linux'`
/** What keys become as texts must be all that they are. */
const EXACT = `set local extra_float_digits = 3; set local datestyle = 'ISO'; set local intervalstyle = 'postgres'; set local standard_conforming_strings = on`
/** Settings that texts of values, names and times depend on: slots take those of the session that planned. */
const MEANINGS = [
  'standard_conforming_strings',
  'TimeZone',
  'DateStyle',
  'IntervalStyle',
  'search_path',
  'lc_monetary',
  'extra_float_digits',
]

/** One view of the data for a whole job: a transaction that stays open, with the lock that keeps tables as they are. */
export class Snapshot {
  readonly client: Client
  /** What other sessions import it by. */
  readonly id: string
  readonly session: Readonly<Record<string, string>>
  /** The first number of the advisory locks of this job; the second one is a slot's backend. */
  readonly lock: number
  /** Rejects when the connection that holds it is lost. */
  readonly lost: Promise<never>
  readonly #timer: NodeJS.Timeout
  #lose: ((error: unknown) => void) | undefined
  #looking = false
  #closed = false

  private constructor(settings: Settings, client: Client, id: string, session: Readonly<Record<string, string>>) {
    this.client = client
    this.id = id
    this.session = session
    this.lock = Math.floor(Math.random() * 2 ** 31)
    this.lost = new Promise((_, reject) => {
      const fail = (error: unknown) => {
        if (!this.#closed) reject(snapshotLost(settings.name, error))
      }
      this.#lose = fail
      client.on('error', fail)
      client.on('end', () => fail(new Error('its connection has ended')))
    })
    this.lost.catch(() => {})
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref()
  }

  /**
   * Begins a transaction, and holds its snapshot.
   *
   * @param lock Locks what is to be read, before the snapshot is taken: otherwise a TRUNCATE could come between.
   * @param signal Ends it while it waits, and what it does for the plan later.
   */
  static async take(settings: Settings, lock: (client: Client) => Promise<void>, signal?: AbortSignal): Promise<Snapshot> {
    const client = await connect(settings, 'pymar job')
    const abort = () => abandon(client)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      signal?.throwIfAborted()
      await execute(client, `begin isolation level repeatable read read only; ${EXACT}`)
      await lock(client)
      await rowsOf(client, `select set_config(name, '0', true) from pg_settings where name in (${LIMITS.map(quoteText).join(', ')})`)
      await rowsOf(client, CHECK_SQL)
      const meanings = MEANINGS.map((name) => `current_setting('${name}')`).join(', ')
      const [found] = await rowsOf<string[]>(client, `select pg_export_snapshot(), ${meanings}`)
      signal?.throwIfAborted()
      const [id, ...values] = found as [string, ...string[]]
      return new Snapshot(settings, client, id, Object.fromEntries(MEANINGS.map((name, i) => [name, values[i] as string])))
    } catch (error) {
      await client.end().catch(() => {})
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Lets go of the snapshot and the lock. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    if (this.#looking) return abandon(this.client)
    await this.client.end().catch(() => {})
  }

  /** The same, and ends what the server does for it. */
  async abandon(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await abandon(this.client)
  }

  /**
   * Gets slots past whoever waits to change the table. Someone who wants it for himself (VACUUM FULL, ALTER TABLE) waits for this session's
   * lock, and whoever asks after him waits behind him, even to read: so a slot would wait for the end of the job, which waits for the slot.
   * PostgreSQL sees no such circle, since this session waits for nobody. So it is made to wait, for a lock that the slot holds meanwhile: then
   * there is a circle, and the server's deadlock check breaks it in the one way it has that cancels nobody: it lets the slot go first.
   */
  async #look(): Promise<void> {
    if (this.#looking || this.#closed) return
    this.#looking = true
    try {
      for (const [slot] of await rowsOf<[number]>(this.client, waitingSql(this.lock))) {
        if (this.#closed) return
        await execute(this.client, `select pg_advisory_lock(${this.lock}, ${slot})`)
        await execute(this.client, `select pg_advisory_unlock(${this.lock}, ${slot})`)
      }
    } catch (error) {
      // Whatever it was, the transaction is over.
      this.#lose?.(error)
    } finally {
      this.#looking = false
    }
  }
}

async function abandon(client: Client): Promise<void> {
  cancelStatement(client)
  await client.end().catch(() => {})
}

/** The backends of slots of this job that wait for a table. */
function waitingSql(lock: number): string {
  return `select w.pid from pg_locks w where w.locktype = 'relation' and not w.granted and exists (
    select from pg_locks h where h.pid = w.pid and h.locktype = 'advisory' and h.classid = ${lock} and h.objid = h.pid::oid and h.objsubid = 2)`
}

/** Tables and the like that this session has locked, without those of the system. */
export const OWN_LOCKS_SQL = `from pg_locks l where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.relation >= 16384`

/** The name of a relation that this session reads and the job did not know, such as one that has taken the name of another, or was attached since. */
export function strangerSql(relations: readonly number[]): string {
  return `select l.relation::regclass::text ${OWN_LOCKS_SQL} and l.relation <> all('{${relations.join(',')}}'::oid[])
    and pg_get_indexdef(l.relation) is null limit 1`
}

/** What a slot says to see the data as the job does: it takes its locks, and lets others pass that wait for it. */
export function enterSql(
  shared: { readonly snapshot: string; readonly lock: number; readonly session: Readonly<Record<string, string>> },
  select: string,
): string {
  const settings = Object.entries(shared.session).map(([name, value]) => `set_config(${quoteText(name)}, ${quoteText(value)}, true)`)
  return [
    'begin isolation level repeatable read read only',
    `set transaction snapshot ${quoteText(shared.snapshot)}`,
    // Between its slots and those of the other partitions there is enough to do for the cores of the server.
    'set local max_parallel_workers_per_gather = 0',
    // Rows in the order in which they lie, wherever others are reading.
    'set local synchronize_seqscans = off',
    // The rows wait for user code, which takes what it takes.
    `select set_config(name, '0', true) from pg_settings where name in (${SLOT_LIMITS.map(quoteText).join(', ')})`,
    `select ${settings.join(', ')}, pg_advisory_lock(${shared.lock}, pg_backend_pid())`,
    CHECK_SQL,
    // Takes the locks of all that is read, and reads nothing.
    `explain ${select}`,
    `select pg_advisory_unlock(${shared.lock}, pg_backend_pid())`,
  ].join(';\n')
}
