import { isAsyncIterable } from '../checks.ts'
import { setTimeout } from '../timers.ts'

/** Items of an async iterable that are read together. Fixed: it shapes the answer's last bits, as the arity does. */
const BLOCK_ITEMS = 4096

/** A source is given this long to close, in milliseconds, before the error that ended it is told without it. */
const CLOSE_LIMIT_MS = 500

export type Blocks = Iterable<unknown> | AsyncIterable<unknown>

/** Gathers the items of an async iterable into arrays of {@link BLOCK_ITEMS}, the last one smaller. */
export async function* gather(items: AsyncIterable<unknown>): AsyncGenerator<unknown[]> {
  let block: unknown[] = []
  for await (const item of items) {
    if (block.push(item) < BLOCK_ITEMS) continue
    yield block
    block = []
  }
  if (block.length > 0) yield block
}

/**
 * Calls `use` with each block in order, having asked for the next one first, so that it is on its way while this one is
 * computed. What was opened is closed in every outcome.
 *
 * @param open Makes the blocks; its signal is aborted when nobody wants more of them.
 * @param signal Ends the loop, between two blocks.
 */
export async function forEachBlock(
  open: (signal: AbortSignal) => Blocks,
  signal: AbortSignal,
  use: (block: unknown) => unknown,
): Promise<void> {
  const ended = new AbortController()
  const blocks = open(AbortSignal.any([signal, ended.signal]))
  try {
    if (isAsyncIterable(blocks)) await eachAhead(blocks[Symbol.asyncIterator](), signal, use, ended)
    else
      for (const block of blocks) {
        signal.throwIfAborted()
        await use(block)
      }
  } finally {
    ended.abort()
  }
}

async function eachAhead(iterator: AsyncIterator<unknown>, signal: AbortSignal, use: (block: unknown) => unknown, ended: AbortController) {
  let next = Promise.resolve(iterator.next())
  try {
    for (;;) {
      const { done, value } = await next
      if (done) return
      signal.throwIfAborted()
      next = Promise.resolve(iterator.next())
      // Its failure is met at the next await; until then it must not count as unhandled.
      next.catch(() => {})
      await use(value)
    }
  } catch (error) {
    // Aborted before it is closed: closing waits for the block that is on its way.
    ended.abort()
    const closed = Promise.resolve(iterator.return?.()).catch(() => {})
    await Promise.race([closed, new Promise((late) => setTimeout(late, CLOSE_LIMIT_MS).unref())])
    throw error
  }
}
