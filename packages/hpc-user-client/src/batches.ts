/** Splits names into requests with URLs of bounded length. */
import { withoutTrailingSlashes } from "@cscs/http-transport"

/** The path of the export below the API's URL. */
export const exportPath = "api/v1/export/waldur/projects"

/** Limit of a whole URL in bytes: servers and gateways refuse longer request lines, many from 4 kB on. */
export const urlLimit = 4000

/** The query of a batch in the form that the API expects: `projects=a&projects=b`. */
export const exportQuery = (names: ReadonlyArray<string>) => names.map((name) => ["projects", name] as const)

/**
 * Splits names so that the encoded URL of each batch, including scheme and host, stays below 4,000 bytes. A name that does not
 * fit into a URL of its own is in `tooLong`.
 *
 * @param apiUrl the API's URL, with or without a trailing slash
 */
export const planBatches = (
  apiUrl: string,
  names: Iterable<string>,
): { readonly batches: ReadonlyArray<ReadonlyArray<string>>; readonly tooLong: ReadonlyArray<string> } => {
  const base = new URL(`${withoutTrailingSlashes(apiUrl)}/${exportPath}`).href.length
  const batches: Array<Array<string>> = []
  const tooLong: Array<string> = []
  let batch: Array<string> = []
  let bytes = base
  for (const name of names) {
    // `?` before the first and `&` before each other pair; an encoded URL is ASCII, so its length is its bytes.
    const size = 1 + new URLSearchParams([["projects", name]]).toString().length
    if (base + size >= urlLimit) {
      tooLong.push(name)
      continue
    }
    if (bytes + size >= urlLimit) {
      batches.push(batch)
      batch = []
      bytes = base
    }
    batch.push(name)
    bytes += size
  }
  if (batch.length > 0) batches.push(batch)
  return { batches, tooLong }
}
