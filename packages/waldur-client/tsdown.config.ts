import { defineConfig } from "tsdown"

export default defineConfig({
  entry: ["src/index.ts"],
  dts: true,
  platform: "node",
  target: "node22",
  // `type: module` says it all: .js, as the manifests name it.
  fixedExtension: false,
})
