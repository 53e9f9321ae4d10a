import type { Decoder } from './decoders.ts'

/** Makes a row of what binary COPY sends of it: the number of columns, then each with its length. */
export type RowDecoder = (bytes: Buffer, at: number) => unknown

/** @param names Of the columns, where rows are objects; else one column gives bare values, several give tuples. */
export function rowDecoder(decoders: readonly Decoder[], names?: readonly string[]): RowDecoder {
  if (names) return objects(decoders, names)
  const [only] = decoders
  return decoders.length === 1 ? bareValues(only as Decoder) : tuples(decoders)
}

const COUNT_BYTES = 2

function bareValues(decode: Decoder): RowDecoder {
  return (bytes, at) => {
    const length = bytes.readInt32BE(at + COUNT_BYTES)
    return length < 0 ? null : decode(bytes, at + COUNT_BYTES + 4, length)
  }
}

function tuples(decoders: readonly Decoder[]): RowDecoder {
  const count = decoders.length
  return (bytes, start) => {
    const row = new Array<unknown>(count)
    let at = start + COUNT_BYTES
    for (let i = 0; i < count; i++) {
      const length = bytes.readInt32BE(at)
      at += 4
      if (length < 0) {
        row[i] = null
        continue
      }
      row[i] = (decoders[i] as Decoder)(bytes, at, length)
      at += length
    }
    return row
  }
}

function objects(decoders: readonly Decoder[], names: readonly string[]): RowDecoder {
  const decode = decoders.length === 1 ? undefined : tuples(decoders)
  const [only] = decoders
  const bare = only && bareValues(only)
  return (bytes, at) => {
    const values = decode ? (decode(bytes, at) as unknown[]) : [bare?.(bytes, at)]
    const row: Record<string, unknown> = {}
    for (let i = 0; i < names.length; i++) row[names[i] as string] = values[i]
    return row
  }
}
