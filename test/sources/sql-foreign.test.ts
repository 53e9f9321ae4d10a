// needs: postgres
// Tables that another server has: they have no blocks here.
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { SqlDataSource } from '@pymar/sql-source'
import { inline } from '../conformance/transports.ts'
import { List } from '../jobs/lists.ts'
import { needs, serverUrl } from '../servers/needs.ts'
import { sql } from './database.ts'

abstract class Foreign extends SqlDataSource<number> {
  static override CONF = process.env['PYMAR_TEST_POSTGRES'] ?? ''
  static override COLUMNS = ['item']
}

const ITEMS = Array.from({ length: 500 }, (_, i) => i)
const sorted = (items: readonly number[]) => items.toSorted((a, b) => a - b)

describe('a foreign table', needs('postgres'), () => {
  /** Why there is none: postgres_fdw is a package of its own. */
  let missing: string | undefined
  before(async () => {
    await drop()
    try {
      await sql('create extension if not exists postgres_fdw')
    } catch (error) {
      missing = String(error)
      return
    }
    const { username, password, pathname } = new URL(serverUrl('postgres'))
    const [database, user] = [decodeURIComponent(pathname.slice(1)) || 'postgres', decodeURIComponent(username)]
    await sql(`create schema pymar_foreign; create table pymar_foreign.local (item int);
      insert into pymar_foreign.local select i from generate_series(0, 499) i;
      do $do$ begin execute format('create server pymar_loop foreign data wrapper postgres_fdw options (host %L, port %L, dbname %L)',
        host(inet_server_addr()), inet_server_port()::text, '${database}'); end $do$;
      create user mapping for current_user server pymar_loop options (user '${user}', password '${decodeURIComponent(password)}');
      create foreign table pymar_foreign.far (item int) server pymar_loop options (schema_name 'pymar_foreign', table_name 'local');
      create table pymar_foreign.parts (item int, part int) partition by list (part);
      create table pymar_foreign.near partition of pymar_foreign.parts for values in (0);
      create table pymar_foreign.hidden (item int, part int);
      insert into pymar_foreign.hidden select i, 1 from generate_series(1, 499, 2) i;
      insert into pymar_foreign.parts select i, 0 from generate_series(0, 499, 2) i;
      create foreign table pymar_foreign.away partition of pymar_foreign.parts for values in (1)
        server pymar_loop options (schema_name 'pymar_foreign', table_name 'hidden')`)
  })
  after(drop)
  const isSkipped = (t: TestContext) => {
    if (missing !== undefined) t.skip(missing)
    return missing !== undefined
  }

  test('is cut up by an order, and without one each partition computes all of it, which is said once', async (t) => {
    if (isSkipped(t)) return
    class Far extends Foreign {
      static override TABLE = 'pymar_foreign.far'
    }
    class Sorted extends Far {
      static override ORDER_BY = { column: 'item', direction: 'desc' } as const
    }
    const warnings: string[] = []
    const listen = ({ message }: Error) => warnings.push(message)
    process.on('warning', listen)
    for (const count of [1, 3, 7]) {
      List.WORKERS_NUMBER = count
      assert.deepEqual(await inline.map(List, Sorted), ITEMS.toReversed())
      assert.deepEqual(sorted(await inline.map(List, Far)), ITEMS)
    }
    process.off('warning', listen)
    assert.deepEqual(warnings, [
      'Far has no key to be cut up by, so each partition computes all of its foreign table, sorts it and skips what is not its own; give it an ORDER_BY',
    ])
  })

  test('that is a partition of a table is read with the others', async (t) => {
    if (isSkipped(t)) return
    class Parts extends Foreign {
      static override TABLE = 'pymar_foreign.parts'
    }
    for (const count of [1, 3, 7]) {
      List.WORKERS_NUMBER = count
      assert.deepEqual(sorted(await inline.map(List, Parts)), ITEMS, `${count} partitions`)
    }
  })
})

async function drop() {
  await sql('drop schema if exists pymar_foreign cascade')
  await sql('drop server if exists pymar_loop cascade; drop extension if exists postgres_fdw')
}
