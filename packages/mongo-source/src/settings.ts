import { isIPv6 } from 'node:net'
import { PymarError } from '@pymar/core'

/** The static members of a source class. */
export interface MongoClass {
  readonly name: string
  readonly CONF?: unknown
  readonly FILTER?: unknown
  readonly PROJECTION?: unknown
  readonly SORT?: unknown
  readonly PIPELINE?: unknown
  readonly READ?: unknown
  readonly RAW?: unknown
}

/** Where classes of BSON say which version of the library they are of; the driver takes those of its own. */
const BSON_VERSION = Symbol.for('@@mdb.bson.version')
const [DRIVER_MAJOR, BSON_MAJOR] = [7, 7]

export type Fields = Readonly<Record<string, unknown>>

/** A field that documents are sorted by: its path, with dots. */
export type SortField = readonly [field: string, direction: 1 | -1]

/** What is read: that of the script's class, for all of a job. */
export interface Reading {
  readonly db: string
  readonly collection: string
  readonly filter: Fields
  readonly projection?: Fields
  /** Ends with `_id`, so that no two documents are sorted alike. */
  readonly sort: readonly SortField[]
  readonly pipeline: readonly Fields[]
  readonly preference?: string
  readonly concern?: string
  readonly raw: boolean
}

/** Where it is read from: that of each process's class. */
export interface Place {
  /** The class's. */
  readonly name: string
  readonly uri: string
}

interface Rule {
  readonly holds: (value: unknown) => boolean
  readonly rule: string
  /** What breaks the rule, where there are several things that may. */
  readonly found?: (value: unknown) => string
}

const PREFERENCES: readonly unknown[] = [undefined, 'primary', 'primaryPreferred', 'secondary', 'secondaryPreferred', 'nearest']
const CONCERNS: readonly unknown[] = [undefined, 'local', 'available', 'majority', 'linearizable', 'snapshot']
/** Stages that write what a job only reads. */
const WRITING = ['$out', '$merge']

const has = (value: object, ...names: readonly string[]) => Object.keys(value).every((name) => names.includes(name))
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
/** A document as it is written down: a Map could hide what it holds. */
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.prototype.toString.call(value) === '[object Object]' && !('_bsontype' in value)
const isHost = (value: unknown) => isText(value) && (/^[\w.-]+$/.test(value) || isIPv6(value))
const isPort = (value: unknown) => value === undefined || (Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536)
const CONF_KEYS = ['uri', 'ip', 'port', 'db', 'collection']

function wrongInConf(conf: unknown): string | undefined {
  if (!isObject(conf)) return 'it is no such object'
  const { uri, ip, port, db, collection } = conf
  const other = Object.keys(conf).find((key) => !CONF_KEYS.includes(key))
  if (other !== undefined) return `there is no ${other}; what the driver is to be told, user and password too, goes into the uri`
  if (!isText(db) || !isText(collection)) return `${isText(db) ? 'collection' : 'db'} is missing, or no text`
  if (uri !== undefined && (ip !== undefined || port !== undefined)) return 'there is a uri, and an ip or a port beside it'
  if (uri !== undefined && !isText(uri)) return 'its uri is no text'
  if (uri === undefined && !isHost(ip)) return 'there is no uri, and no ip that is a host'
  return isPort(port) ? undefined : 'its port is no integer from 1 to 65535'
}

const OBJECT: Rule = { holds: isObject, rule: 'an object' }
const RULES: Readonly<Record<Exclude<keyof MongoClass, 'name'>, Rule>> = {
  CONF: {
    holds: (value) => wrongInConf(value) === undefined,
    rule: '{ uri, db, collection } or { ip, port, db, collection }',
    found: (value) => wrongInConf(value) as string,
  },
  FILTER: OBJECT,
  PROJECTION: OBJECT,
  SORT: {
    holds: (value) => isObject(value) && Object.keys(value).length > 0 && Object.values(value).every((way) => way === 1 || way === -1),
    rule: 'an object of fields with 1 or -1',
  },
  PIPELINE: {
    holds: (value) => Array.isArray(value) && value.every((stage) => isObject(stage) && !WRITING.some((name) => name in stage)),
    rule: `a list of stages, without ${WRITING.join(' and ')}`,
  },
  READ: {
    holds: (value) =>
      isObject(value) &&
      has(value, 'preference', 'concern') &&
      PREFERENCES.includes(value['preference']) &&
      CONCERNS.includes(value['concern']),
    rule: `{ preference: ${PREFERENCES.slice(1).join(' or ')}, concern: ${CONCERNS.slice(1).join(' or ')} }`,
  },
  RAW: { holds: (value) => typeof value === 'boolean', rule: 'true or false' },
}

/**
 * Reads the class attributes of a source.
 *
 * @throws {PymarError} `INVALID_ARGUMENT` if one of them is missing, or breaks its rule.
 */
export function readSettings(source: MongoClass): { readonly place: Place; readonly reading: Reading } {
  const { name } = source
  for (const [attribute, { holds, rule, found }] of Object.entries(RULES)) {
    const value = source[attribute as keyof MongoClass]
    const isMissing = value === undefined && attribute !== 'CONF'
    if (!isMissing && !holds(value)) {
      const why = found ? `: ${found(value)}` : ''
      throw new PymarError('INVALID_ARGUMENT', `Cannot read ${attribute} of ${name} as it must be ${rule}${why}`)
    }
    if (attribute !== 'CONF') checkData(name, attribute, value)
  }
  const { CONF, FILTER = {}, PROJECTION, SORT = {}, PIPELINE = [], READ = {}, RAW = false } = source
  const { db, collection } = CONF as { readonly db: string; readonly collection: string }
  const { preference, concern } = READ as { readonly preference?: string; readonly concern?: string }
  const reading: Reading = {
    db,
    collection,
    filter: FILTER as Fields,
    ...(PROJECTION !== undefined && Object.keys(PROJECTION as object).length > 0 && { projection: PROJECTION as Fields }),
    sort: sortFields(SORT as Record<string, 1 | -1>),
    pipeline: PIPELINE as Fields[],
    ...(preference !== undefined && { preference }),
    ...(concern !== undefined && { concern }),
    raw: RAW as boolean,
  }
  return { place: { name, uri: uriOf(CONF as Record<string, string>) }, reading }
}

/** What was meant to be an attribute, and is none, would be without effect, and nobody would know. */
export function warnOfSlips(source: MongoClass): void {
  const letters = (name: string) => [...name.toUpperCase()].sort().join('')
  for (const slip of Object.getOwnPropertyNames(source)) {
    const meant = Object.keys(RULES).find((attribute) => slip !== attribute && letters(slip) === letters(attribute))
    if (meant) process.emitWarning(`${source.name} has ${slip}, which is no attribute; did you mean ${meant}?`, 'PymarWarning')
  }
}

function uriOf({ uri, ip = '', port = '27017' }: Readonly<Record<string, string>>): string {
  return uri || `mongodb://${ip.includes(':') ? `[${ip}]` : ip}:${port}`
}

function sortFields(sort: Readonly<Record<string, 1 | -1>>): SortField[] {
  const fields = Object.entries(sort)
  const at = fields.findIndex(([field]) => field === '_id')
  // What follows _id sorts nothing any more.
  return at < 0 ? [...fields, ['_id', 1]] : fields.slice(0, at + 1)
}

/** BSON has no functions, and would take what is undefined for null, or for nothing. */
function checkData(name: string, path: string, value: unknown, around: readonly unknown[] = []): void {
  const refuse = (found: string) => {
    throw new PymarError('INVALID_ARGUMENT', `Cannot read ${path} of ${name} as it must be data: it is ${found}`)
  }
  const kind = typeof value
  if (kind === 'function' || kind === 'symbol' || (kind === 'undefined' && around.length > 0)) refuse(kind)
  if (kind !== 'object' || value === null) return
  if ('_bsontype' in (value as object)) {
    const found = (value as Record<symbol, unknown>)[BSON_VERSION]
    if (found !== BSON_MAJOR) refuse(`a value of another version of BSON (${found}); make it with mongodb@${DRIVER_MAJOR}`)
    return
  }
  // The driver writes g as s, and leaves out s and all others.
  if (value instanceof RegExp && /[^im]/.test(value.flags)) refuse(`${value}, of whose flags BSON keeps i and m; use $regex with $options`)
  if (value instanceof Date || value instanceof RegExp || ArrayBuffer.isView(value)) return
  if (value instanceof Map || value instanceof Set) refuse(`a ${value.constructor.name}`)
  if (around.includes(value)) refuse('part of itself')
  for (const [key, inner] of Object.entries(value as object)) checkData(name, `${path}.${key}`, inner, [...around, value])
}
