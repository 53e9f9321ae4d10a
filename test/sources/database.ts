// A database of PostgreSQL for tests.
import type { TestContext } from 'node:test'
import pg from 'pg'
import { until } from '../processes.ts'
import { serverUrl } from '../servers/needs.ts'

/** Runs statements on a connection of its own each time. */
export async function sql<Row extends unknown[]>(text: string, url?: string): Promise<Row[]> {
  const client = await open(url)
  try {
    const results = (await client.query<Row>({ text, rowMode: 'array' })) as unknown as { rows: Row[] } | { rows: Row[] }[]
    return (Array.isArray(results) ? results.at(-1) : results)?.rows ?? []
  } finally {
    await client.end()
  }
}

/** A connection that a test ends itself. */
export async function open(url = serverUrl('postgres')): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'test' })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Skips a test of what older servers do not have. @returns Whether it did. */
export async function skippedBefore(major: number, t: TestContext): Promise<boolean> {
  const [row] = await sql<[string]>('show server_version_num')
  const isOld = Number(row?.[0]) < major * 10_000
  if (isOld) t.skip(`this is PostgreSQL ${Math.floor(Number(row?.[0]) / 10_000)}, and it came with ${major}`)
  return isOld
}

/** Ends the server's side of connections of this name. @returns How many there were. */
export async function terminate(applicationName: string): Promise<number> {
  const rows = await sql(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = '${applicationName}'`)
  return rows.length
}

/** Resolves when the server has no session of this name, which ends a moment after its client. */
export async function noSession(applicationName: string, condition = 'true', limitMs = 2000, url?: string): Promise<void> {
  const query = `select query from pg_stat_activity where application_name = '${applicationName}' and (${condition})`
  await until(`no session of ${applicationName}`, async () => (await sql(query, url)).length === 0, limitMs)
}
