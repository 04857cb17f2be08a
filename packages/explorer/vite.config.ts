import { gzipSync } from "node:zlib"
import { defineConfig, type Plugin } from "vite"

/** The largest compressed size of all scripts, in bytes: a first visit waits for them on a slow network. */
const maxScriptBytes = 60_000

const scriptSizeLimit: Plugin = {
  name: "script-size-limit",
  generateBundle(_, bundle) {
    const scripts = Object.values(bundle).flatMap((file) => (file.type === "chunk" ? [gzipSync(file.code).length] : []))
    const total = scripts.reduce((sum, size) => sum + size, 0)
    if (total > maxScriptBytes) this.error(`The scripts have ${total} bytes compressed, more than ${maxScriptBytes}`)
  },
}

export default defineConfig({
  // Relative, so that the page works below any path.
  base: "./",
  plugins: [scriptSizeLimit],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    // The proxy's content security policy allows no script or style from a data: URL.
    assetsInlineLimit: 0,
    modulePreload: false,
    target: "es2023",
    chunkSizeWarningLimit: 200,
  },
})
