import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostOf, maskUrl } from './mask-url.ts'

test('maskUrl() leaves no part of a password', () => {
  assert.equal(maskUrl('amqp://guest:secret@host:5672/v'), 'amqp://guest:***@host:5672/v')
  assert.equal(maskUrl('amqp://guest:s@c/r:t@host'), 'amqp://guest:***@host')
  assert.equal(maskUrl('amqp:/guest:secret@host'), 'amqp:/guest:***@host')
  assert.equal(maskUrl('guest:secret@host'), 'guest:***@host')
  assert.equal(maskUrl('amqp://:secret@host'), 'amqp://:***@host')
  assert.equal(maskUrl('postgres://host/db?user=a&password=secret&x=1'), 'postgres://host/db?user=a&password=***&x=1')
})

test('maskUrl() returns a URL without a password as it is', () => {
  for (const url of [
    'amqp://127.0.0.1:5672',
    'postgres://me@127.0.0.1:5432/postgres',
    'mongodb+srv://me@host:1/a',
    'mongodb://a:1,b:2/',
    'not a URL',
  ]) {
    assert.equal(maskUrl(url), url)
  }
})

test('hostOf() returns the host and port without user and path', () => {
  assert.equal(hostOf('postgres://me:secret@127.0.0.1:5432/postgres?x=1'), '127.0.0.1:5432')
  assert.equal(hostOf('mongodb://a:1,b:2/'), 'a:1,b:2')
})
