/**
 * Whether an `If-None-Match` names what the answer would be (RFC 9110 section 13.1.2): then a 304 says it all. There is
 * no `If-Modified-Since` here: its whole seconds could hide a change, and a caller may ignore what it does not know.
 *
 * @param etag with its quotes
 */
export const isNoneMatchMet = (ifNoneMatch: string | undefined, etag: string): boolean =>
  ifNoneMatch !== undefined &&
  (ifNoneMatch === etag ||
    ifNoneMatch.trim() === "*" ||
    // Compared weakly: `W/` does not count.
    (ifNoneMatch.match(/"[^"]*"/g)?.includes(etag) ?? false))
