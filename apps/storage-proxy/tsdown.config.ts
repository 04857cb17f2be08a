import { createRequire } from "node:module"
import { explorerFiles, programBuild, swaggerUi } from "../../tsdown.base.ts"

const proxyServer = createRequire(import.meta.url).resolve("@cscs/proxy-server/package.json")

export default programBuild({ copy: [...swaggerUi(proxyServer), ...explorerFiles(proxyServer)] })
