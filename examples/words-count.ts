// How often each word occurs in the articles of a collection of MongoDB, which this script makes and drops.
//   PYMAR_TEST_MONGO=mongodb://127.0.0.1:27017 npx pymar run examples/words-count.ts
import { isMain, Producer } from '@pymar/core'
import { MongoDataSource } from '@pymar/mongo-source'
import { MongoClient } from 'mongodb'

const CONF = { uri: process.env['PYMAR_TEST_MONGO'] ?? 'mongodb://127.0.0.1:27017', db: 'pymar_examples', collection: 'articles' }
const WORDS = ['data', 'does', 'not', 'travel', 'the', 'answer', 'does']

type Counter = Map<string, number>

export class Articles extends MongoDataSource<{ text: string }> {
  static override CONF = CONF
  static override FILTER = { language: 'en' }
  static override PROJECTION = { _id: 0, text: 1 }
}

export class WordsCount extends Producer<Counter> {
  static override WORKERS_NUMBER = 4

  static mapFn(articles: Iterable<{ text: string }>): Counter[] {
    const counter: Counter = new Map()
    for (const { text } of articles) {
      for (const word of text.split(' ')) counter.set(word, (counter.get(word) ?? 0) + 1)
    }
    return [counter]
  }

  static reduceFn(counters: Iterable<Counter>): Counter {
    const sum: Counter = new Map()
    for (const counter of counters) {
      for (const [word, count] of counter) sum.set(word, (sum.get(word) ?? 0) + count)
    }
    return sum
  }
}

if (isMain(import.meta)) {
  const client = await new MongoClient(CONF.uri).connect()
  const articles = client.db(CONF.db).collection(CONF.collection)
  try {
    const textOf = (i: number) => Array.from({ length: 20 }, (_, j) => WORDS[(i + j * j) % WORDS.length]).join(' ')
    await articles.insertMany(Array.from({ length: 6000 }, (_, i) => ({ language: i % 3 === 0 ? 'la' : 'en', text: textOf(i) })))
    const counts = await WordsCount.map(Articles)
    console.log(
      [...counts]
        .map(([word, count]) => `${word} ${count}`)
        .sort()
        .join(', '),
    )
  } finally {
    await client.db(CONF.db).dropDatabase()
    await client.close()
  }
}
