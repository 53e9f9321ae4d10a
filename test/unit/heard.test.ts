import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Heard } from '../../packages/core/dist/transport/heard.js'

/** How many looks it takes until another connection is to be made; 1,000 at most. */
function looksUntilStuck(heard: Heard, { isKept = false, before = () => {} } = {}): number {
  for (let looks = 1; looks <= 1000; looks++) {
    before()
    if (heard.look(isKept)) return looks
  }
  return Number.POSITIVE_INFINITY
}

function after(...events: readonly ('published' | 'taken' | 'refused' | 'unknown')[]): Heard {
  const heard = new Heard()
  for (const event of events) {
    if (event === 'published') heard.published()
    else heard.said(event === 'unknown' ? undefined : event)
  }
  return heard
}

test('a queue that refuses is given another connection after 3 looks, and each next one after twice as many, up to 48', () => {
  const heard = after('published', 'refused')
  const refuse = () => {
    heard.published()
    heard.said('refused')
  }
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 7].map(() => looksUntilStuck(heard, { before: refuse })),
    [3, 6, 12, 24, 48, 48, 48],
  )
})

test('one refusal is enough, though nothing is published after it', () => {
  assert.equal(looksUntilStuck(after('published', 'refused')), 3)
})

test('a queue of which nothing is heard is given another connection after 10 looks', () => {
  const heard = after('published')
  assert.equal(looksUntilStuck(heard), 10)
  assert.equal(looksUntilStuck(heard), 20)
})

test('a queue that takes something now and then is left alone', () => {
  const heard = after('published', 'published')
  let looks = 0
  const takeSometimes = () => {
    if (++looks % 9 > 0) return
    heard.published()
    heard.said('taken')
  }
  assert.equal(looksUntilStuck(heard, { before: takeSometimes }), Number.POSITIVE_INFINITY)
})

test('a queue that takes some and refuses some is left alone', () => {
  const heard = new Heard()
  const takeAndRefuse = () => {
    for (const said of ['taken', 'refused'] as const) {
      heard.published()
      heard.said(said)
    }
  }
  assert.equal(looksUntilStuck(heard, { before: takeAndRefuse }), Number.POSITIVE_INFINITY)
})

test('a queue that is full, and takes something seldom, is given another connection ever more seldom', () => {
  const heard = after('published', 'refused')
  let looks = 0
  const takeSeldom = () => {
    for (const said of ++looks % 5 === 0 ? (['taken', 'refused'] as const) : (['refused'] as const)) {
      heard.published()
      heard.said(said)
    }
  }
  assert.equal(looksUntilStuck(heard, { before: takeSeldom }), 3)
  assert.equal(looksUntilStuck(heard, { before: takeSeldom }), Number.POSITIVE_INFINITY)
})

test('what was taken ends a refusal, and patience begins anew', () => {
  const heard = after('published', 'refused')
  assert.equal(looksUntilStuck(heard), 3)
  heard.published()
  heard.said('taken')
  assert.equal(heard.look(false), false)
  heard.published()
  heard.said('refused')
  assert.equal(looksUntilStuck(heard), 3)
})

test('nothing is said of a queue while it is this side that keeps what was published', () => {
  const heard = after('published')
  assert.equal(looksUntilStuck(heard, { isKept: true }), Number.POSITIVE_INFINITY)
  assert.equal(looksUntilStuck(heard), 10)
})

test('a queue to which nothing is published is left alone, and forgotten after 10 looks', () => {
  for (const heard of [after(), after('published', 'taken'), after('published', 'unknown')]) {
    for (let looks = 0; looks < 11; looks++) assert.equal(heard.look(false), false)
    assert.ok(heard.isOver)
  }
  assert.equal(after('published').isOver, false)
})

test('looks of an earlier connection do not count for the next one', () => {
  const refused = after('published', 'refused', 'published')
  const silent = after('published')
  for (const heard of [refused, silent]) {
    heard.look(false)
    heard.look(false)
    heard.beginAnew()
    assert.equal(looksUntilStuck(heard), 10)
  }
})
