import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Channel, connect } from 'amqplib'

const ECHO = fileURLToPath(new URL('echo.mjs', import.meta.url))
/** Messages under way at once. */
const WINDOW = 1024

/** Two processes that send messages to each other by amqplib alone: `safe`, with confirms and acknowledgements, or `bare`. */
export class PingPong {
  readonly #send: () => void
  readonly #close: () => Promise<void>
  #came: (() => void) | undefined

  private constructor(send: () => void, close: () => Promise<void>) {
    this.#send = send
    this.#close = close
  }

  static async open(url: string, kind: 'bare' | 'safe'): Promise<PingPong> {
    const safe = kind === 'safe'
    const connection = await connect(url, { noDelay: true })
    const channel: Channel = await connection.createChannel()
    const publisher = await connection.createConfirmChannel()
    const [there, back] = await Promise.all(['there', 'back'].map((way) => declare(channel, `pymar-bench.${process.pid}.${kind}.${way}`)))
    const body = Buffer.from(JSON.stringify({ job: 'a job', index: 1, attempt: 1, offset: 1000, limit: 1000 }))
    const send = () => {
      const options = { replyTo: back as string, persistent: safe }
      if (safe) publisher.sendToQueue(there as string, body, options, () => {})
      else channel.sendToQueue(there as string, body, options)
    }
    const echo = fork(ECHO, [url, there as string, kind])
    const pingPong = new PingPong(send, async () => {
      echo.disconnect()
      await Promise.all([there, back].map((queue) => channel.deleteQueue(queue as string)))
      await connection.close()
    })
    const came = (message: Parameters<Channel['ack']>[0] | null) => {
      if (safe && message) channel.ack(message)
      pingPong.#came?.()
    }
    await channel.consume(back as string, came, { noAck: !safe })
    await once(echo, 'message')
    return pingPong
  }

  /** Sends so many messages; resolves when all have come back. */
  play(count: number): Promise<void> {
    return new Promise((resolve) => {
      let [sent, came] = [0, 0]
      const fill = () => {
        for (; sent < count && sent - came < WINDOW; sent++) this.#send()
      }
      this.#came = () => {
        if (++came === count) resolve()
        else fill()
      }
      fill()
    })
  }

  close(): Promise<void> {
    return this.#close()
  }
}

async function declare(channel: Channel, queue: string): Promise<string> {
  await channel.assertQueue(queue, { durable: true, expires: 60_000 })
  return queue
}
