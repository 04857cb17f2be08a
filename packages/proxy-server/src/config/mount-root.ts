/** Valid mount roots. */
import { invalidComponent, systemDirectoryOf } from "@cscs/storage-model"

/** Linux's limit. */
const longestPath = 4096

/**
 * A mount root in the form that paths are compared with: absolute, normalised, without a trailing slash.
 *
 * @returns what is expected instead, in words, if it is not a directory or would not restrict anything
 */
export const mountRoot = (given: string): { readonly path: string } | { readonly wanted: string } => {
  const path = given.length > 1 ? given.replace(/([^/])\/$/, "$1") : given
  if (!path.startsWith("/")) return { wanted: "absolute paths" }
  if (/^\/[/.]*$/.test(path)) return { wanted: "directories narrower than /" }
  const components = path.slice(1).split("/")
  if (path.length > longestPath || components.some((one) => invalidComponent("", one) !== undefined)) {
    return {
      wanted:
        "normalised paths: each component 1 to 255 of A-Z a-z 0-9 . _ -, not beginning with . or -; no // and no ..",
    }
  }
  return systemDirectoryOf(path) === path ? { wanted: "no system directory" } : { path }
}

/** A warning for each root inside a system directory. */
export const systemRootWarnings = (roots: ReadonlyArray<string>): ReadonlyArray<string> =>
  roots
    .filter((root) => systemDirectoryOf(root) !== undefined)
    .map((root) => `backend_settings.mount_roots: ${root} is inside a system directory`)
