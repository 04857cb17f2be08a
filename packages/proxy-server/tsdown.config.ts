import { createRequire } from "node:module"
import { packageBuild } from "../../tsdown.base.ts"

const { resolve } = createRequire(import.meta.url)

export default packageBuild({
  // What /docs/ serves travels with the package: Swagger UI as a dependency would bring telemetry at install.
  copy: ["swagger-ui-bundle.js", "swagger-ui.css", "LICENSE"].map((file) => ({
    from: resolve(`swagger-ui-dist/${file}`),
    to: "dist/swagger-ui",
  })),
})
