import { programBuild } from "../../tsdown.base.ts"

export default programBuild()
