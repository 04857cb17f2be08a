import { mkdtemp, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { build } from "tsdown"
import type { TestProject } from "vitest/node"
import { swaggerUi } from "../../../tsdown.base.ts"
import config from "../tsdown.config.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** The executable. */
    main: string
  }
}

/** Bundles the process once for all tests. It starts in a third of the time of its sources, as in production. */
export const setup = async ({ provide }: TestProject) => {
  const folder = await mkdtemp(join(tmpdir(), "storage-proxy-bundle-"))
  await build({
    ...config,
    config: false,
    cwd: join(import.meta.dirname, ".."),
    outDir: folder,
    // Only the bundle is tested here, not the packed package.
    publint: false,
    logLevel: "error",
    copy: swaggerUi(createRequire(import.meta.url).resolve("@cscs/proxy-server/package.json"), folder),
  })
  provide("main", join(folder, "main.js"))
  return () => rm(folder, { recursive: true })
}
