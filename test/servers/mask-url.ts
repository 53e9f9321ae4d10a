/**
 * A URL without its password. It does not parse the URL, because an URL that cannot be parsed is printed too: all up to
 * the last `@` may belong to the password.
 *
 * @example
 * ```ts
 * maskUrl('amqp://guest:secret@host:5672') // 'amqp://guest:***@host:5672'
 * ```
 */
export function maskUrl(url: string): string {
  return url.replace(PASSWORD, '$1:***@').replace(/([?&][^=&]*password=)[^&]*/gi, '$1***')
}

/** What comes before it is a scheme with its slashes and a user, or where the scheme was forgotten, a user. */
const PASSWORD = /^([a-z][\w+.-]*:\/+[^:/?]*|(?![a-z][\w+.-]*:\/)[^:/?]*):.*@/is

/** The hosts of a URL, with their ports if it names them. */
export function hostOf(url: string): string {
  return /^[^/]*\/\/(?:.*@)?([^/?]*)/s.exec(url)?.[1] || maskUrl(url)
}
