import { defineConfig } from "tsdown"

export default defineConfig({
  entry: ["src/main.ts"],
  dts: false,
  platform: "node",
  target: "node22",
  // `type: module` says it all: .js, as the manifests name it.
  fixedExtension: false,
})
