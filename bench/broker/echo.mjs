// Sends every message of a queue back, as somebody would who uses amqplib by hand: node echo.mjs URL QUEUE bare|safe
import amqp from 'amqplib'

const [url, queue, kind] = process.argv.slice(2)
const safe = kind === 'safe'
const connection = await amqp.connect(url, { noDelay: true })
const channel = await connection.createChannel()
const publisher = safe ? await connection.createConfirmChannel() : channel
await channel.prefetch(64)
const echo = (message) => {
  const acknowledged = safe ? () => channel.ack(message) : undefined
  publisher.sendToQueue(message.properties.replyTo, message.content, { persistent: safe }, acknowledged)
}
await channel.consume(queue, echo, { noAck: !safe })
process.send('ready')
process.on('disconnect', () => process.exit())
