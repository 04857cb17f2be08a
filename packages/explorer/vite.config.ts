import { gzipSync } from "node:zlib"
import { defineConfig, type Plugin } from "vite"

/** Bytes of all scripts, compressed: what a first visit waits for on a slow network. */
const mostScript = 60_000

const smallEnough: Plugin = {
  name: "small-enough",
  generateBundle(_, bundle) {
    const scripts = Object.values(bundle).flatMap((file) => (file.type === "chunk" ? [gzipSync(file.code).length] : []))
    const total = scripts.reduce((sum, size) => sum + size, 0)
    if (total > mostScript) this.error(`The scripts have ${total} bytes compressed, more than ${mostScript}`)
  },
}

export default defineConfig({
  // Relative, so that the page works below any path.
  base: "./",
  plugins: [smallEnough],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    // The content security policy of the proxy allows no data: script or style.
    assetsInlineLimit: 0,
    modulePreload: false,
    target: "es2023",
    chunkSizeWarningLimit: 200,
  },
})
