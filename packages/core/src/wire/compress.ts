import { promisify } from 'node:util'
import { deflateRaw, deflateRawSync, inflateRaw, inflateRawSync } from 'node:zlib'

/** Bodies of fewer bytes go as they are. */
const FROM_BYTES = 64 * 1024
/** What is tried first, from the middle of a body: what does not become smaller there is not worth the time. */
const PROBE_BYTES = 16 * 1024
const WORTH = 0.8
/** The fastest: brokers are near, and time is what is short. */
const LEVEL = 1

/** What AMQP's property `content-encoding` says of a body. */
export type Encoding = 'deflate'

/** @returns The body made smaller, or undefined where that is not worth it. */
export async function compress(body: Buffer): Promise<Buffer | undefined> {
  const from = (body.byteLength - PROBE_BYTES) >> 1
  const probe = deflateRawSync(body.subarray(from, from + PROBE_BYTES), { level: LEVEL })
  if (probe.byteLength > WORTH * PROBE_BYTES) return undefined
  return promisify<Buffer, object, Buffer>(deflateRaw)(body, { level: LEVEL })
}

export function isLarge(body: Buffer): boolean {
  return body.byteLength >= FROM_BYTES
}

/** @throws {Error} If it is not what its encoding says. */
export async function decompress(body: Buffer): Promise<Buffer> {
  return promisify<Buffer, Buffer>(inflateRaw)(body)
}

/** The same for a body that is known to be small. */
export function decompressSync(body: Buffer): Buffer {
  return inflateRawSync(body)
}
