import type { Client } from 'pg'
import { to } from 'pg-copy-streams'
import Cursor from 'pg-cursor'

const COLUMNS = 'amount, ratio, customer'
const HEAD_BYTES = 19

/** Sums amounts as somebody would who uses a cursor of pg. */
export async function byCursor(client: Client, table: string): Promise<number> {
  const cursor = client.query(new Cursor<[number, number, string]>(`select ${COLUMNS} from ${table}`, [], { rowMode: 'array' } as object))
  let sum = 0
  for (let rows = await cursor.read(1000); rows.length > 0; rows = await cursor.read(1000)) {
    for (const [amount] of rows) sum += amount
  }
  await cursor.close()
  return sum
}

/** Sums amounts as somebody would who parses binary COPY himself, for these three columns. */
export async function byCopy(client: Client, table: string): Promise<number> {
  const stream = client.query(to(`copy (select ${COLUMNS} from ${table}) to stdout (format binary)`))
  let [sum, isFirst] = [0, true]
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const bytes: Buffer = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    let at = isFirst ? HEAD_BYTES : 0
    isFirst = false
    for (;;) {
      const row = readRow(bytes, at)
      if (!row) break
      sum += row.values[0]
      at = row.end
    }
    rest = bytes.subarray(at)
  }
  return sum
}

function readRow(bytes: Buffer, from: number): { values: [number, number, string]; end: number } | undefined {
  // The number of columns, then of each its length and itself: 4 bytes, 8 bytes, and a text.
  if (from + 26 > bytes.length) return undefined
  const length = bytes.readInt32BE(from + 22)
  const end = from + 26 + length
  if (end > bytes.length) return undefined
  return { values: [bytes.readInt32BE(from + 6), bytes.readDoubleBE(from + 14), bytes.toString('utf8', from + 26, end)], end }
}
