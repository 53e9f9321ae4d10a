import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { compress, decompress, decompressSync, isLarge } from '../../packages/core/dist/wire/compress.js'
import { Joiner, PIECE_BYTES, pack, split, unpack } from '../../packages/core/dist/wire/frame.js'
import { CONTROL_MESSAGES, REPLY_MESSAGES, readMessage, TASK_MESSAGES } from '../../packages/core/dist/wire/protocol.js'

test('unpack() gives back the messages and payloads that pack() was given', () => {
  const parcels = fc.array(
    fc.record({ message: fc.dictionary(fc.string(), fc.string()), payload: fc.uint8Array() }, { requiredKeys: ['message'] }),
  )
  fc.assert(
    fc.property(parcels, (given) => {
      const arrived = unpack(pack(given)).map(({ message, payload }) => [message, payload && [...payload]])
      assert.deepEqual(
        arrived,
        given.map(({ message, payload }) => [{ ...message }, payload && [...payload]]),
      )
    }),
  )
})

test('unpack() refuses what is no frame', () => {
  for (const body of ['', '[]', '[[{},5]]\n', '[[{},-1]]\nmore', '{}\n', '[[{}]]\n', '[[{},0.5]]\n', 'no json\n']) {
    assert.throws(() => unpack(Buffer.from(body)), { code: 'INVALID_ARGUMENT', message: /^Cannot read a message from the broker: / }, body)
  }
})

test('bodies of any size arrive in pieces that a broker takes, also when a connection was lost between two of them', () => {
  const body = Buffer.from(Uint8Array.from({ length: 2.5 * 2 ** 20 }, (_, i) => i))
  const pieces = split(body, PIECE_BYTES)
  assert.deepEqual(
    pieces.map((piece) => piece.body.byteLength),
    [2 ** 20, 2 ** 20, 2 ** 19],
  )
  const joiner = new Joiner()
  const add = (at: number) => joiner.add('worker', pieces[at]?.headers, pieces[at]?.body as Buffer)
  // The first two come, then all come again.
  const seen = [0, 1, 0, 1, 2].map(add)
  assert.ok(seen.slice(0, 4).every((joined) => joined === undefined))
  assert.ok(seen[4]?.equals(body))
  assert.equal(joiner.add('worker', undefined, body), body)
})

test('pieces of several senders do not meet, and one that is missing spoils its own body alone', () => {
  const [one, other] = [1, 2].map((byte) => Buffer.alloc(2.5 * 2 ** 20, byte)) as [Buffer, Buffer]
  const joiner = new Joiner()
  const joined: (Buffer | undefined)[] = []
  const [ones, others] = [split(one, PIECE_BYTES), split(other, PIECE_BYTES)]
  for (const at of [0, 1, 2]) {
    joined.push(joiner.add('a', ones[at]?.headers, ones[at]?.body as Buffer))
    if (at !== 1) joined.push(joiner.add('b', others[at]?.headers, others[at]?.body as Buffer))
  }
  assert.deepEqual(
    joined.map((body) => body?.equals(one)),
    [undefined, undefined, undefined, true, undefined],
  )
  for (const { headers, body } of others) joined.push(joiner.add('b', headers, body))
  assert.ok(joined.at(-1)?.equals(other))
  assert.throws(() => joiner.add('b', { pieces: 3 }, one), { code: 'INVALID_ARGUMENT' })
})

test('a large body is made smaller where that helps', async () => {
  const text = Buffer.from('the same again and again, '.repeat(10_000))
  const smaller = (await compress(text)) as Buffer
  assert.ok(smaller.byteLength < text.byteLength / 10)
  assert.ok((await decompress(smaller)).equals(text))
  assert.ok(decompressSync(smaller).equals(text))
  assert.equal(await compress(randomBytes(200_000)), undefined)
  assert.deepEqual([text, Buffer.alloc(100)].map(isLarge), [true, false])
  await assert.rejects(decompress(text))
})

test('readMessage() takes messages of the protocol, and refuses all others', () => {
  const task = { type: 'partitions', job: 'a1', of: 3, source: 'Points', tasks: [[0, 1, 0, 5]] }
  assert.deepEqual(readMessage(task, TASK_MESSAGES), task)
  const marker = { type: 'marker', job: 'a1', marker: 2 }
  assert.deepEqual(readMessage(marker, TASK_MESSAGES), marker)
  const reply = { type: 'partial', job: 'a1', index: 0, attempt: 1, ms: 2.5 }
  assert.deepEqual(readMessage(reply, REPLY_MESSAGES), reply)
  const bad = [
    null,
    5,
    {},
    { type: 'constructor' },
    { ...task, job: 'a b' },
    { ...task, of: -1 },
    { ...marker, marker: 0.5 },
    { ...task, source: 5 },
    { ...task, tasks: [[0, 1, 0]] },
    { ...task, tasks: [[0, 1, 0, 2 ** 53]] },
    { ...task, tasks: [[0, 1, 0, 5, 0, 0, 0]] },
  ]
  for (const message of bad) assert.throws(() => readMessage(message, TASK_MESSAGES), { code: 'INVALID_ARGUMENT' }, JSON.stringify(message))
  assert.throws(() => readMessage({ type: 'stop' }, CONTROL_MESSAGES), { message: /job of stop is undefined/ })
})

test('a partition takes at most 200 bytes of body, however large its source', () => {
  const most = Number.MAX_SAFE_INTEGER
  const message = {
    type: 'partitions',
    job: '0123456789abcdef',
    of: 1e6,
    source: 'IntegrationSource',
    tasks: [[999_999, 3, most - 9, most]],
  }
  assert.ok(pack([{ message }]).byteLength <= 200, `${pack([{ message }]).byteLength} bytes`)
})
