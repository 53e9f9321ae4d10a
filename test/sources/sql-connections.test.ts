// needs: postgres
// What lies between a source and its server: TLS, options, connections that break, and those that nobody uses.
import assert from 'node:assert/strict'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { PlanContext } from '@pymar/core'
import { SqlDataSource } from '@pymar/sql-source'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { noSession, sql } from './database.ts'
import { noPostgres, OwnPostgres } from './own-postgres.ts'
import { noPooler, startPooler } from './pooler.ts'

const QUERY = 'select i from generate_series(1, 100) i'
const ALL = Array.from({ length: 100 }, (_, i) => i + 1)

function source(conf: unknown, attributes: object = { QUERY, ORDER_BY: 'i' }) {
  class Connected extends SqlDataSource<unknown> {}
  Object.assign(Connected, { CONF: conf }, attributes)
  return Connected
}

describe('a connection', needs('postgres'), () => {
  test('that is lost before the first row is made again, twice', async () => {
    for (const times of [1, 2]) {
      const relay = await Relay.open(serverUrl('postgres'), { cuts: times })
      List.WORKERS_NUMBER = 1
      assert.deepEqual(await inline.map(List, source(relay.url)), ALL)
      assert.equal(relay.cuts, times)
      relay.close()
    }
    const relay = await Relay.open(serverUrl('postgres'), { cuts: 3 })
    await assert.rejects(inline.map(List, source(relay.url)), {
      code: 'SOURCE_FAILED',
      message: /Cannot read Connected: Connection terminated unexpectedly$/,
    })
    relay.close()
  })

  test('is closed when nobody has used it for idleTimeoutMillis', async () => {
    const conf = { connectionString: serverUrl('postgres'), application_name: 'pymar idle', idleTimeoutMillis: 2000 }
    List.WORKERS_NUMBER = 1
    await inline.map(List, source(conf))
    assert.equal((await sql("select from pg_stat_activity where application_name = 'pymar idle'")).length, 1)
    await noSession('pymar idle', 'true', 6000)
    assert.deepEqual(await inline.map(List, source(conf)), ALL)
  })

  test('has the options of CONF, and the name that it gives', async () => {
    const shown = 'select i, current_setting($1), current_setting($2), current_setting($3) from generate_series(1, 1) i'
    const of = (conf: unknown) =>
      source(conf, { QUERY: shown, PARAMS: ['application_name', 'statement_timeout', 'work_mem'], ORDER_BY: 'i' })
    List.WORKERS_NUMBER = 1
    const own = { connectionString: serverUrl('postgres'), application_name: 'mine', statement_timeout: 12_345, options: '-c work_mem=3MB' }
    assert.deepEqual(await inline.map(List, of(own)), [[1, 'mine', '12345ms', '3MB']])
    const [row] = (await inline.map(List, of(serverUrl('postgres')))) as [unknown[]]
    assert.equal(row[1], 'pymar slot')
  })
})

describe('a server of our own', { skip: noPostgres }, () => {
  let server: OwnPostgres
  before(async () => {
    server = await OwnPostgres.create()
  })
  after(() => server.remove())

  test('is read over TLS as CONF says, and its statements are cancelled over TLS', async () => {
    const ca = await server.allowTls()
    const isTls = { QUERY: 'select ssl from pg_stat_ssl where pid = pg_backend_pid()', ORDER_BY: 'ssl' }
    List.WORKERS_NUMBER = 1
    const secure = { connectionString: server.url, ssl: { ca } }
    assert.deepEqual(await inline.map(List, source(secure, isTls)), [true])
    assert.deepEqual(await inline.map(List, source(server.url, isTls)), [false])
    await assert.rejects(inline.map(List, source({ connectionString: server.url, ssl: true }, isTls)), {
      code: 'SOURCE_FAILED',
      message: /^Cannot connect to 127\.0\.0\.1:\d+ .*self-signed certificate/,
    })
    const asleep = `select i from generate_series(1, 2) i where pg_sleep(case when current_setting('application_name') = 'pymar slot' then 30 else 0 end) is not null`
    // The server does not see that nobody is there any more: the relay is.
    const relay = await Relay.open(server.url, { cuts: 0, lingers: true })
    const relayed = source({ connectionString: relay.url, ssl: { ca } }, { QUERY: asleep, ORDER_BY: 'i' })
    await assert.rejects(inline.map(List, relayed, { timeoutMs: 1500 }), { code: 'TIMEOUT' })
    await noSession('pymar slot', "state = 'active'", 1000, server.url)
    relay.close()
  })

  test('may be behind a pooler that gives a connection for one transaction', { skip: noPooler }, async (t) => {
    await sql('create table pooled as select i from generate_series(1, 1000) i', server.url)
    for (const [connections, outcome] of [
      [2, 'read'],
      [1, 'too few'],
    ] as const) {
      const pooler = await startPooler(server.url, connections)
      t.after(() => pooler.stop())
      List.WORKERS_NUMBER = 8
      const job = inline.map(List, source(pooler.url, { TABLE: 'pooled' }))
      if (outcome === 'read') assert.equal(new Set((await job) as number[]).size, 1000)
      else await assert.rejects(job, { code: 'SOURCE_FAILED', message: /query_wait_timeout; each slot keeps one connection/ })
    }
  })

  test('that is a standby is read, and a job that must give way to its primary fails, and says what to do', async (t) => {
    await sql(
      "create table moved (item int, filler text); insert into moved select i, repeat('x', 100) from generate_series(1, 10000) i",
      server.url,
    )
    const standby = await server.standby()
    t.after(() => standby.remove())
    const moved = source(standby.url, { TABLE: 'moved', COLUMNS: ['item'] })
    List.WORKERS_NUMBER = 4
    const items = (await inline.map(List, moved)) as number[]
    assert.equal(new Set(items).size, 10_000)
    class Conflicting extends moved {
      static override async partitions(count: number, context: PlanContext) {
        const plan = await super.partitions(count, context)
        await sql('delete from moved', server.url)
        await sql('vacuum moved', server.url)
        // Not asked for at the standby: whoever asks there may have to give way himself.
        await plan.lost?.catch(() => {})
        return plan
      }
    }
    await assert.rejects(inline.map(List, Conflicting), {
      code: 'SOURCE_FAILED',
      message: /^Cannot hold the snapshot of Conflicting: .*conflict with recovery; .*max_standby_streaming_delay/,
    })
  })
})

interface RelayOptions {
  /** Connections that are cut when they ask for rows. */
  readonly cuts: number
  /** Whether the server's side of a connection stays when the client's side ends. */
  readonly lingers?: boolean
}

/** Passes bytes on to a server. */
class Relay {
  cuts = 0
  readonly #server: Server
  readonly #url: URL
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, url: URL) {
    this.#server = server
    this.#url = url
  }

  get url(): string {
    return this.#url.href
  }

  static open(to: string, { cuts, lingers = false }: RelayOptions): Promise<Relay> {
    const url = new URL(to)
    const [host, port] = [url.hostname, Number(url.port || 5432)]
    const server = createServer()
    const relay = new Relay(server, url)
    server.on('connection', (client) => {
      const upstream = connect(port, host)
      for (const socket of [client, upstream]) relay.#sockets.add(socket.on('error', () => {}))
      upstream.pipe(client)
      upstream.on('close', () => client.destroy())
      if (!lingers) client.on('close', () => upstream.destroy())
      client.on('data', (bytes) => {
        if (relay.cuts < cuts && bytes.includes('copy (')) {
          relay.cuts++
          client.destroy()
        } else upstream.write(bytes)
      })
    })
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        url.host = `127.0.0.1:${(server.address() as { port: number }).port}`
        resolve(relay)
      })
    })
  }

  close() {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
