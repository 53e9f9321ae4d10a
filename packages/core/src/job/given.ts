import { type Check, COUNT, check, checkOptions, isAsyncIterable, show } from '../checks.ts'
import { DataSourceFactory, type DataSourceFactoryOptions, isFactory, isItems, isSourceClass, type SourceClass } from '../data-source.ts'
import { PymarError } from '../errors.ts'
import { decode, encode } from '../wire/codec.ts'

/** What `map()` was given, in one of two forms. */
export type Given =
  | {
      readonly kind: 'class'
      readonly source: SourceClass
      readonly offset: number | undefined
      readonly limit: number | undefined
      /** As they were when the job started. */
      readonly params: unknown
      /** The same, encoded; not there where there are none. */
      readonly encodedParams?: Uint8Array
    }
  | { readonly kind: 'data'; readonly items: ArrayLike<unknown> }

const FACTORY_OPTIONS: Readonly<Record<keyof DataSourceFactoryOptions, Check>> = {
  offset: COUNT,
  limit: COUNT,
  params: { holds: () => true, rule: 'any value' },
}

/**
 * Reads the first argument of `map()`: a source class, a factory, or any iterable.
 *
 * @throws {PymarError} `INVALID_ARGUMENT` if it is none of them, or the factory's range is no range; `UNSERIALIZABLE` if its params
 *   cannot be sent.
 */
export function readGiven(argument: unknown): Given {
  if (typeof argument === 'string') throw refuse(argument)
  const factory = isFactory(argument) ? argument : new DataSourceFactory(argument as Iterable<unknown>)
  const { data, options } = factory
  checkOptions(`DataSourceFactory of ${typeof data === 'function' ? data.name : 'in-memory data'}`, options, FACTORY_OPTIONS)
  if (typeof data !== 'function') {
    if (!isItems(data)) throw refuse(argument === factory ? data : argument)
    for (const key of ['offset', 'limit', 'params'] as const) {
      if (options[key] === undefined) continue
      throw new PymarError('INVALID_ARGUMENT', `Cannot use ${key} of a DataSourceFactory with in-memory data: slice the data instead`)
    }
    return { kind: 'data', items: data }
  }
  if (!isSourceClass(data)) throw refuse(data)
  const { offset, limit, params } = options
  if (limit !== undefined) check(`offset + limit of ${data.name}`, (offset ?? 0) + limit, COUNT)
  if (params === undefined) return { kind: 'class', source: data, offset, limit, params }
  const encodedParams = encode(params, `the params of ${data.name}`)
  return { kind: 'class', source: data, offset, limit, params: decode(encodedParams), encodedParams }
}

function refuse(found: unknown): PymarError {
  const advice = isAsyncIterable(found)
    ? 'gather an async iterable into an array, or write a DataSource with [Symbol.asyncIterator]'
    : 'pass a class that extends DataSource, a DataSourceFactory, or an iterable of items'
  if (typeof found === 'string')
    return new PymarError('INVALID_ARGUMENT', `Cannot read a source from ${show(found)}: it is one text; pass [...text] for its characters`)
  return new PymarError('INVALID_ARGUMENT', `Cannot read a source from ${show(found)}: it is no source; ${advice}`)
}
