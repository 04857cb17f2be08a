import { createRequire } from "node:module"
import { join } from "node:path"
import { defineConfig, type UserConfig } from "tsdown"

/** How every package is built: ESM for Node, one file with its types, and the packed result checked as npm will serve it. */
export const packageBuild = (options: UserConfig = {}) =>
  defineConfig({
    entry: ["src/index.ts"],
    dts: true,
    // Sources only: of the tests and this file no declarations are wanted.
    tsconfig: "tsconfig.build.json",
    platform: "node",
    target: "node22",
    // `type: module` says it all: .js, as the manifests name it.
    fixedExtension: false,
    publint: { strict: true },
    attw: { profile: "esm-only", level: "error" },
    ...options,
  })

/**
 * What `/explorer/` serves lies beside the code that serves it, too.
 *
 * @param from a file of the package that has the explorer as a development dependency
 */
export const explorerFiles = (from: string) => [
  {
    from: join(createRequire(from).resolve("@cscs/storage-explorer/package.json"), "../dist"),
    to: "dist",
    rename: "explorer",
  },
]

/**
 * What `/docs/` serves lies beside the code that serves it: Swagger UI as a dependency would bring telemetry at install.
 *
 * @param from a file of the package that has swagger-ui-dist as a development dependency
 * @param outDir where the code goes
 */
export const swaggerUi = (from: string, outDir = "dist") => {
  const { resolve } = createRequire(from)
  return ["swagger-ui-bundle.js", "swagger-ui.css", "LICENSE"].map((file) => ({
    from: resolve(`swagger-ui-dist/${file}`),
    to: `${outDir}/swagger-ui`,
  }))
}
