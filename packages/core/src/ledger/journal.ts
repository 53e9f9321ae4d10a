import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { clearTimeout, setTimeout } from '../timers.ts'

/*
 * A file that only grows: a line that says what it is, then records, each behind its length and its checksum (CRC-32), four bytes
 * each, little-endian. A process that is killed, or a disk that is full, leaves a last record that is not whole: it does not count.
 */

const FIRST_LINE = Buffer.from('pymar journal 1\n')
const HEAD_BYTES = 8
const READ_BYTES = 2 ** 20
/** What was written is on the disk itself after this long, in milliseconds: a machine that fails costs no more. */
const SYNC_MS = 1000

export class Journal {
  readonly #file: FileHandle
  readonly #failed: (error: unknown) => void
  #waiting: Uint8Array[] = []
  #writing: Promise<void> | undefined
  #syncTimer: NodeJS.Timeout | undefined
  #isBroken = false

  private constructor(file: FileHandle, failed: (error: unknown) => void) {
    this.#file = file
    this.#failed = failed
  }

  /**
   * Opens a journal, or begins one where there is no file.
   *
   * @param read Called with each record that is whole, in order.
   * @param failed Called when a record cannot be written.
   * @throws {Error} If the file cannot be read or written, or is something else.
   */
  static async open(path: string, read: (record: Buffer) => void, failed: (error: unknown) => void): Promise<Journal> {
    const file = await open(path, 'a+')
    try {
      const length = await readRecords(file, read)
      await file.truncate(length)
      if (length === 0) await file.appendFile(FIRST_LINE)
      return new Journal(file, failed)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  append(...parts: readonly Uint8Array[]): void {
    if (this.#isBroken) return
    const head = Buffer.alloc(HEAD_BYTES)
    head.writeUInt32LE(parts.reduce((sum, { byteLength }) => sum + byteLength, 0))
    head.writeUInt32LE(
      parts.reduce((sum, part) => crc32(part, sum), 0),
      4,
    )
    this.#waiting.push(head, ...parts)
    this.#syncTimer ??= setTimeout(() => this.#sync(), SYNC_MS).unref()
    this.#writing ??= this.#write().catch((error) => this.#break(error))
  }

  /** Resolves when all is on the disk. */
  async close(): Promise<void> {
    clearTimeout(this.#syncTimer)
    await this.#writing
    try {
      if (!this.#isBroken) await this.#file.datasync()
    } finally {
      await this.#file.close()
    }
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) await this.#file.appendFile(Buffer.concat(this.#waiting.splice(0)))
    this.#writing = undefined
  }

  #sync() {
    this.#syncTimer = undefined
    this.#file.datasync().catch((error) => this.#break(error))
  }

  /** Nothing more is written, since what comes behind a record that is not whole would not count. */
  #break(error: unknown) {
    if (this.#isBroken) return
    this.#isBroken = true
    this.#failed(error)
  }
}

/** @returns How long the file is up to the end of the last record that is whole. */
async function readRecords(file: FileHandle, read: (record: Buffer) => void): Promise<number> {
  let rest = Buffer.alloc(0)
  let [at, end] = [0, 0]
  /** The next so many bytes, or undefined where the file ends before. */
  const take = async (bytes: number): Promise<Buffer | undefined> => {
    const chunks = [rest]
    for (let found = rest.length; found < bytes; ) {
      const { buffer, bytesRead } = await file.read(
        Buffer.allocUnsafe(Math.max(READ_BYTES, Math.min(bytes - found, 64 * READ_BYTES))),
        0,
        null,
        at,
      )
      if (bytesRead === 0) return undefined
      chunks.push(buffer.subarray(0, bytesRead))
      at += bytesRead
      found += bytesRead
    }
    const all = chunks.length === 1 ? rest : Buffer.concat(chunks)
    rest = all.subarray(bytes)
    return all.subarray(0, bytes)
  }
  const first = await take(FIRST_LINE.length)
  if (!first) return checkBeginning(file)
  if (!first.equals(FIRST_LINE)) throw new Error('it is no journal of this version')
  end = FIRST_LINE.length
  for (;;) {
    const head = await take(HEAD_BYTES)
    const record = head && (await take(head.readUInt32LE(0)))
    if (!head || !record || crc32(record) !== head.readUInt32LE(4)) return end
    end += HEAD_BYTES + record.length
    read(record)
  }
}

/** A file that is shorter than the first line is one that was just begun; or something else. */
async function checkBeginning(file: FileHandle): Promise<number> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(FIRST_LINE.length), 0, FIRST_LINE.length, 0)
  if (!FIRST_LINE.subarray(0, bytesRead).equals(buffer.subarray(0, bytesRead))) throw new Error('it is no journal of this version')
  return 0
}
