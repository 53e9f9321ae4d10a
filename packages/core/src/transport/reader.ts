import { decompress } from '../wire/compress.ts'
import { Joiner, type Parcel, unpack } from '../wire/frame.ts'
import { type MessageTables, readMessage } from '../wire/protocol.ts'
import type { Message } from './amqp-session.ts'

/** Reads what comes from the broker: puts pieces together, and takes bodies apart. */
export class Reader<Said extends { readonly type: string }> {
  readonly #tables: MessageTables<Said>
  readonly #joiner = new Joiner()

  /** @param tables Of what may be said here. */
  constructor(tables: MessageTables<Said>) {
    this.#tables = tables
  }

  /**
   * @returns What a message says: nothing, while there are pieces of it to come.
   * @throws {PymarError} `INVALID_ARGUMENT` if it is none of ours.
   */
  async read({
    content,
    properties: { appId, headers, contentEncoding },
  }: Pick<Message, 'content' | 'properties'>): Promise<Parcel<Said>[]> {
    const body = this.#joiner.add(String(appId), headers, content)
    if (!body) return []
    const frame = contentEncoding === undefined ? body : await decompress(body)
    return unpack(frame).map(({ message, payload }) => ({ message: readMessage<Said>(message, this.#tables), ...(payload && { payload }) }))
  }
}
