import { explorerFiles, packageBuild, swaggerUi } from "../../tsdown.base.ts"

export default packageBuild({ copy: [...swaggerUi(import.meta.url), ...explorerFiles(import.meta.url)] })
