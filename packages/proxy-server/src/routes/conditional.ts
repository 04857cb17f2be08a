/**
 * Whether an `If-None-Match` matches the response (RFC 9110 section 13.1.2), so that a 304 suffices.
 * `If-Modified-Since` is not supported: its resolution of a second could hide a change, and a server may ignore it.
 *
 * @param etag with its quotes
 */
export const isNoneMatchMet = (ifNoneMatch: string | undefined, etag: string): boolean =>
  ifNoneMatch !== undefined &&
  (ifNoneMatch === etag ||
    ifNoneMatch.trim() === "*" ||
    // Weak comparison: `W/` is ignored.
    (ifNoneMatch.match(/"[^"]*"/g)?.includes(etag) ?? false))
