import { invalidComponent, systemDirectoryOf } from "@cscs/storage-model"

/** As Linux has it. */
const longestPath = 4096

/**
 * A mount root as paths are compared with it: absolute, normalised, without a closing slash.
 *
 * @returns what is wanted instead, in words, of one that is no directory, or one that would keep nobody out
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
  return systemDirectoryOf(path) === path ? { wanted: "no directory of the system" } : { path }
}

/** A warning for each root that lies inside a directory of the system. */
export const systemRoots = (roots: ReadonlyArray<string>): ReadonlyArray<string> =>
  roots
    .filter((root) => systemDirectoryOf(root) !== undefined)
    .map((root) => `backend_settings.mount_roots: ${root} lies inside a directory of the system`)
