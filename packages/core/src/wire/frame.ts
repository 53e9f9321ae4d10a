import { PymarError } from '../errors.ts'
import { now } from '../timers.ts'

/** A message with the bytes that belong to it: values of user code, which are not JSON. */
export interface Parcel<Message> {
  readonly message: Message
  readonly payload?: Uint8Array
}

const NEWLINE = 0x0a
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** A frame is one line of JSON, the messages with the lengths of their payloads, and then the payloads, one after the other. */
type Line = readonly (readonly [message: unknown, payloadBytes: number])[]

/** Puts messages, with their payloads, into one body. */
export function pack(parcels: readonly Parcel<object>[]): Buffer {
  const line = parcels.map(({ message, payload }) => [message, payload?.byteLength ?? -1])
  const payloads = parcels.flatMap(({ payload }) => payload ?? [])
  return Buffer.concat([Buffer.from(`${JSON.stringify(line)}\n`), ...payloads])
}

/**
 * Takes a body apart. Payloads are copies: the body may be a view of a buffer that is used again.
 *
 * @throws {PymarError} `INVALID_ARGUMENT` if it is no frame.
 */
export function unpack(body: Uint8Array): Parcel<unknown>[] {
  const end = body.indexOf(NEWLINE)
  if (end < 0) throw refuse('its line does not end')
  let at = end + 1
  const parcels = readLine(body.subarray(0, end)).map(([message, length]) => {
    if (length < 0) return { message }
    if (at + length > body.byteLength) throw refuse('it ends before its payloads do')
    // A Buffer's own slice() would be a view.
    const payload = Uint8Array.prototype.slice.call(body, at, at + length)
    at += length
    return { message, payload }
  })
  if (at !== body.byteLength) throw refuse('it goes on behind its payloads')
  return parcels
}

function readLine(bytes: Uint8Array): Line {
  let line: unknown
  try {
    line = JSON.parse(utf8.decode(bytes))
  } catch {
    throw refuse('its line is no JSON')
  }
  const isEntry = (entry: unknown) => Array.isArray(entry) && entry.length === 2 && Number.isSafeInteger(entry[1]) && entry[1] >= -1
  if (!Array.isArray(line) || !line.every(isEntry)) throw refuse('its line is no list of messages with lengths')
  return line
}

function refuse(found: string): PymarError {
  return new PymarError('INVALID_ARGUMENT', `Cannot read a message from the broker: ${found}`)
}

/** Larger bodies go in pieces: brokers take 16 MiB from 4.0, and messages of 1 MiB travel fastest. */
export const PIECE_BYTES = 2 ** 20

/** Part of a body, with what puts it together again. */
export interface Piece {
  readonly body: Buffer
  readonly headers?: { readonly body: string; readonly piece: number; readonly pieces: number }
}

/** Bodies that others began longer ago than this, in milliseconds, will not end. */
const FORGOTTEN_MS = 10 * 60_000

let bodies = 0

/** Cuts a body into pieces of so many bytes at most; one that is small enough is one piece, and needs no headers. */
export function split(body: Buffer, pieceBytes: number): Piece[] {
  const pieces = Math.ceil(body.byteLength / pieceBytes)
  if (pieces <= 1) return [{ body }]
  const name = `${process.pid}.${++bodies}`
  return Array.from({ length: pieces }, (_, piece) => ({
    body: body.subarray(piece * pieceBytes, (piece + 1) * pieceBytes),
    headers: { body: name, piece, pieces },
  }))
}

/**
 * Puts pieces together. Those of one sender come in order, one body after the other; a body whose sender lost its connection
 * meanwhile stays without an end, and is forgotten when its next one begins, or some minutes later.
 */
export class Joiner {
  readonly #begun = new Map<string, { readonly body: string; readonly pieces: Buffer[]; readonly at: number }>()

  /** @returns The body, when its last piece has come. */
  add(sender: string, headers: Record<string, unknown> | undefined, piece: Buffer): Buffer | undefined {
    if (headers?.['pieces'] === undefined) return piece
    const { body, piece: at, pieces: count } = headers as { body: unknown; piece: unknown; pieces: unknown }
    if (typeof body !== 'string' || !Number.isSafeInteger(at) || !Number.isSafeInteger(count)) throw refuse('its pieces have no number')
    if (at === 0) this.#begin(sender, body)
    const begun = this.#begun.get(sender)
    // One that is not the next follows one that was lost: then the whole comes again.
    if (begun?.body !== body || begun.pieces.length !== at) return undefined
    begun.pieces.push(piece)
    if (begun.pieces.length < (count as number)) return undefined
    this.#begun.delete(sender)
    return Buffer.concat(begun.pieces)
  }

  #begin(sender: string, body: string) {
    for (const [other, { at }] of this.#begun) if (now() - at > FORGOTTEN_MS) this.#begun.delete(other)
    this.#begun.set(sender, { body, pieces: [], at: now() })
  }
}
