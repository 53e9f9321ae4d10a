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

/** Of Node's timers. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

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
  /** pg's own, which is kept away from the connection as long as rows come. */
  #listener: Listener | undefined
  #reading = false
  readonly #readable = () => this.#wake?.()
  /** What has come and is not decoded yet: less than a message. */
  #pending: Buffer[] = []
  #pendingBytes = 0
  /** Bytes that there must be before it is worth another look. */
  #needed = HEAD_BYTES
  #begun = false
  #rows: unknown[] = []
  /** Rows that have come in all. */
  #decoded = 0
  #ended = false
  #failure: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined

  constructor(sql: string, decode: RowDecoder, blockRows: number) {
    this.#sql = sql
    this.#decode = decode
    this.#blockRows = blockRows
  }

  /** For pg: called when it is over, so that `query_timeout` does not count what user code takes. */
  callback: (() => void) | undefined
  readonly query_timeout = LONGEST_TIMER_MS

  /** For pg. */
  submit(connection: Connection): void {
    const stream = connection.stream as Socket
    const [listener, ...others] = stream.listeners('data') as Listener[]
    if (!listener || others.length > 0) throw new Error('this version of pg reads its connection in another way')
    this.#stream = stream
    this.#listener = listener
    this.#reading = true
    stream.removeListener('data', listener)
    stream.pause()
    stream.on('readable', this.#readable)
    connection.query(this.#sql)
  }

  /** For pg. While rows come its connection is of no more use. */
  handleError(error: unknown): void {
    this.#failure = { error }
    this.#end()
  }

  /** For pg. */
  handleReadyForQuery(): void {
    this.#end()
  }

  /** For pg. */
  handleCommandComplete({ text }: { readonly text: string }): void {
    const sent = /^COPY (\d+)$/.exec(text)?.[1]
    if (sent === undefined || Number(sent) === this.#decoded) return
    this.#failure = { error: new Error(`the server has sent ${sent} rows, and ${this.#decoded} were read`) }
  }

  /** The next block; the last one may have fewer rows, and none comes after it. */
  async next(): Promise<unknown[] | undefined> {
    for (;;) {
      this.#throwFailure()
      while (this.#rows.length < this.#blockRows && this.#read()) {}
      // What has just been read may say so.
      this.#throwFailure()
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

  #throwFailure() {
    if (this.#failure) throw this.#failure.error
  }

  #end() {
    this.#ended = true
    this.callback?.()
    this.#wake?.()
  }

  /** Decodes what has come, up to the end of a block. @returns Whether there may be more. */
  #read(): boolean {
    if (!this.#reading || !this.#stream) return false
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
    if (!this.#reading) this.#handBack()
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
        this.#reading = false
        return at
      }
      this.#needed = end - at
      if (end > bytes.byteLength) return at
      if (code === COPY_DATA) this.#decodeOne(bytes, at + HEAD_BYTES, end)
      // What the server says beside, and how it begins.
      else this.#listener?.(bytes.subarray(at, end))
      at = end
    }
    this.#needed = 0
    return at
  }

  #decodeOne(bytes: Buffer, from: number, end: number) {
    const at = this.#begun ? from : from + PREAMBLE_BYTES
    this.#begun = true
    if (at >= end || bytes.readInt16BE(at) === END) return
    this.#decoded++
    this.#rows.push(this.#decode(bytes, at))
  }

  /** Lets pg have the connection again, and what there is to read. */
  #handBack() {
    const [stream, listener] = [this.#stream as Socket, this.#listener as Listener]
    const rest = Buffer.concat(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
    stream.removeListener('readable', this.#readable)
    stream.on('data', listener)
    listener(rest)
    stream.resume()
  }
}
