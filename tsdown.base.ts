import { createRequire } from "node:module"
import { join } from "node:path"
import { defineConfig, type UserConfig } from "tsdown"
import { thirdPartyLicenses } from "./third-party-licenses.ts"

/** How every package is built: ESM for Node, one file with its types, and the packed result checked as npm will serve it. */
export const packageBuild = (options: UserConfig = {}) =>
  defineConfig({
    entry: ["src/index.ts"],
    dts: true,
    // Only the sources get declarations, not the tests or the configuration.
    tsconfig: "tsconfig.build.json",
    platform: "node",
    target: "node22",
    // `type: module` says it all: .js, as the manifests name it.
    fixedExtension: false,
    publint: { strict: true },
    attw: { profile: "esm-only", level: "error" },
    ...options,
  })

/** Escapes all but ASCII. Without comments, the rest is only in strings and regular expressions, where an escape means the same. */
const escapes = {
  name: "escapes",
  // Not in `renderChunk`: what follows it would undo this.
  generateBundle: (_: unknown, bundle: Record<string, { code?: string }>) => {
    for (const chunk of Object.values(bundle)) {
      if (chunk.code === undefined) continue
      chunk.code = chunk.code.replaceAll(
        /[^\0-\x7f]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
      )
    }
  },
}

/**
 * How an executable is built: one file with all that it needs. A process starts in a third of the time that it takes to find
 * some hundreds of modules, in two thirds of the memory, and an installation brings nothing else along.
 */
export const programBuild = (options: UserConfig = {}) =>
  packageBuild({
    entry: ["src/main.ts"],
    dts: false,
    attw: false,
    deps: { alwaysBundle: [/.*/] },
    // V8 keeps the text in memory: a third of it is comments, and a single character beyond ASCII doubles its size.
    outputOptions: { comments: false },
    plugins: [thirdPartyLicenses(), escapes],
    ...options,
  })

/**
 * Copies what `/explorer/` serves to a folder beside the code that serves it.
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
 * Copies what `/docs/` serves to a folder beside the code that serves it. As a dependency, it would send telemetry at install.
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
