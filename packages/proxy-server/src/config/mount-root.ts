import { invalidComponent } from "@cscs/storage-model"

/** Where a system has its own files, and no storage system mounts anything. */
const systemDirectory = /^\/(bin|boot|dev|etc|lib[^/]*|proc|root|run|sbin|sys|usr|var)(?=\/|$)/

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
  return systemDirectory.exec(path)?.[0] === path ? { wanted: "no directory of the system" } : { path }
}

/** A warning for each root that lies inside a directory of the system. */
export const systemRoots = (roots: ReadonlyArray<string>): ReadonlyArray<string> =>
  roots
    .filter((root) => systemDirectory.test(root))
    .map((root) => `backend_settings.mount_roots: ${root} lies inside a directory of the system`)
