/**
 * The storage explorer as files that a server serves below one path: `index.html`, and `assets/` whose names contain a
 * digest of their content. They are there after `pnpm build`, and in the published package.
 *
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises"
 * import { siteFolder } from "@cscs/storage-explorer"
 *
 * const page = await readFile(new URL("index.html", siteFolder), "utf8").catch(() => "not built yet")
 * console.log(page.length > 0)
 * ```
 */

/** The folder of the files, as a `file:` URL that ends with a slash. */
// From src/ and from dist/ alike.
export const siteFolder: URL = new URL("../dist/site/", import.meta.url)
