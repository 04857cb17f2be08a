import { defineConfig } from "vite"

export default defineConfig({
  // Relative, so that the page works below any path.
  base: "./",
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
