/** The place of the export below the API's URL. */
export const exportPath = "api/v1/export/waldur/projects"

/** A whole URL stays below this many bytes: servers and gateways refuse longer request lines, many from 4 kB on. */
export const urlLimit = 4000

/** The query of a batch, in the shape that the API wants: `projects=a&projects=b`. */
export const exportQuery = (names: ReadonlyArray<string>) => names.map((name) => ["projects", name] as const)

/**
 * Splits names so that the URL of each batch, scheme and host included, stays below 4,000 bytes as it goes over the wire
 * (encoded). A name that does not fit alone is in `tooLong`.
 *
 * @param apiUrl the API's URL, with or without a closing slash
 */
export const planBatches = (
  apiUrl: string,
  names: Iterable<string>,
): { readonly batches: ReadonlyArray<ReadonlyArray<string>>; readonly tooLong: ReadonlyArray<string> } => {
  const base = new URL(`${apiUrl.replace(/(?<!\/)\/+$/, "")}/${exportPath}`).href.length
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
