// needs: postgres
import { Items, WideItems } from '../jobs/sql.ts'
import { needs } from '../servers/needs.ts'
import { sql, terminate } from './database.ts'
import { sourceSuite } from './suite.ts'

sourceSuite({
  name: 'a table of PostgreSQL',
  options: needs('postgres'),
  module: new URL('../jobs/sql.ts', import.meta.url),
  source: Items,
  wide: WideItems,
  async fill(count) {
    await sql(`drop table if exists pymar_items; create table pymar_items (item int primary key, filler text);
      insert into pymar_items select i, repeat('x', 1000) from generate_series(0, ${count - 1}) i order by md5(i::text)`)
  },
  async remove() {
    await sql('drop table if exists pymar_items')
  },
  cutReaders: () => terminate('pymar slot'),
  async busyReaders() {
    const [row] = await sql<[string]>(`select count(*) from pg_stat_activity where application_name = 'pymar slot' and state = 'active'`)
    return Number(row?.[0])
  },
})
