import type { Socket } from 'node:net'
import type { Connection, Submittable } from 'pg'
import type { RowDecoder } from './row-decoder.ts'

/** Codes of the messages that matter here. @see https://www.postgresql.org/docs/current/protocol-message-formats.html */
const COPY_DATA = 'd'.charCodeAt(0)
const COPY_DONE = 'c'.charCodeAt(0)
const ERROR = 'E'.charCodeAt(0)
/** A message begins with its code, and its length without that. */
const HEAD_BYTES = 5
/** What binary COPY begins with, before the first row. */
const PREAMBLE_BYTES = 19
/** Where a row would say how many columns it has, at the end. */
const END = -1

type Listener = (chunk: Buffer) => void

/**
 * A `COPY ... TO STDOUT (FORMAT binary)` whose rows are decoded from the bytes of the connection as they come, in blocks of a fixed number.
 *
 * pg parses what comes message by message, and a row is one: so it is kept away from the connection as long as rows come. What is not
 * asked for is not read: the server waits.
 */
export class CopyOut implements Submittable {
  readonly #sql: string
  readonly #decode: RowDecoder
  readonly #blockRows: number
  #stream: Socket | undefined
  /** pg's own. */
  #listener: Listener | undefined
  readonly #readable = () => this.#wake?.()
  /** What has come and is not decoded yet: less than a message. */
  #pending: Buffer[] = []
  #pendingBytes = 0
  /** Bytes that there must be before it is worth another look. */
  #needed = HEAD_BYTES
  #begun = false
  #rows: unknown[] = []
  #ended = false
  #failure: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined

  constructor(sql: string, decode: RowDecoder, blockRows: number) {
    this.#sql = sql
    this.#decode = decode
    this.#blockRows = blockRows
  }

  /** For pg. */
  submit(connection: Connection): void {
    this.#stream = connection.stream as Socket
    const [listener] = this.#stream.listeners('data') as Listener[]
    this.#listener = listener as Listener
    this.#stream.removeListener('data', this.#listener)
    this.#stream.pause()
    this.#stream.on('readable', this.#readable)
    connection.query(this.#sql)
  }

  /** For pg. */
  handleError(error: unknown): void {
    this.#release()
    this.#failure = { error }
    this.#end()
  }

  /** For pg. */
  handleReadyForQuery(): void {
    this.#end()
  }

  /** For pg. */
  handleCommandComplete(): void {}

  /** The next block; the last one may have fewer rows, and none comes after it. */
  async next(): Promise<unknown[] | undefined> {
    for (;;) {
      if (this.#failure) throw this.#failure.error
      while (this.#rows.length < this.#blockRows && this.#read()) {}
      if (this.#rows.length === this.#blockRows || (this.#ended && this.#rows.length > 0)) {
        const block = this.#rows
        this.#rows = []
        return block
      }
      if (this.#ended) return undefined
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
      this.#wake = undefined
    }
  }

  #end() {
    this.#ended = true
    this.#wake?.()
  }

  /** Decodes what has come, up to the end of a block. @returns Whether there may be more. */
  #read(): boolean {
    if (!this.#listener || !this.#stream) return false
    if (this.#pendingBytes < this.#needed) {
      const chunk = this.#stream.read() as Buffer | null
      if (chunk === null) return false
      this.#pending.push(chunk)
      this.#pendingBytes += chunk.byteLength
      if (this.#pendingBytes < this.#needed) return true
    }
    const bytes = this.#pending.length === 1 ? (this.#pending[0] as Buffer) : Buffer.concat(this.#pending)
    const at = this.#decodeAll(bytes)
    this.#pending = at < bytes.byteLength ? [bytes.subarray(at)] : []
    this.#pendingBytes = bytes.byteLength - at
    if (!this.#listener) this.#handBack()
    return true
  }

  /** @returns Up to where. */
  #decodeAll(bytes: Buffer): number {
    let at = 0
    while (this.#rows.length < this.#blockRows) {
      this.#needed = HEAD_BYTES
      if (at + HEAD_BYTES > bytes.byteLength) return at
      const code = bytes[at]
      const end = at + 1 + bytes.readInt32BE(at + 1)
      if (code === COPY_DONE || code === ERROR) {
        this.#release()
        return at
      }
      this.#needed = end - at
      if (end > bytes.byteLength) return at
      if (code === COPY_DATA) this.#decodeOne(bytes, at + HEAD_BYTES, end)
      else this.#listener?.(bytes.subarray(at, end))
      at = end
    }
    this.#needed = 0
    return at
  }

  #decodeOne(bytes: Buffer, from: number, end: number) {
    const at = this.#begun ? from : from + PREAMBLE_BYTES
    this.#begun = true
    if (at < end && bytes.readInt16BE(at) !== END) this.#rows.push(this.#decode(bytes, at))
  }

  /** Lets pg have the connection again. */
  #release() {
    const [stream, listener] = [this.#stream, this.#listener]
    if (!stream || !listener) return
    this.#listener = undefined
    stream.removeListener('readable', this.#readable)
    stream.on('data', listener)
  }

  /** Gives pg what it is to read itself. */
  #handBack() {
    const [stream] = [this.#stream]
    const rest = Buffer.concat(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
    const listener = stream?.listeners('data')[0] as Listener | undefined
    listener?.(rest)
    stream?.resume()
  }
}
