/** The processes that tools and tests start: the proxy, from its sources or as it is built for the image, and what runs beside it. */
export { type BuiltProxy, buildProxy } from "./built-proxy.ts"
export { environmentOf, type Instruction, stagesOf, wordsOf } from "./dockerfile.ts"
export { childWith, cpuSecondsOf, type Memory, memoryOf } from "./proc-stats.ts"
export { end, endAllChildren, hasEnded, watch } from "./processes.ts"
export { sandboxEnvironment } from "./sandbox-environment.ts"
export { type StartedProxy, startProxy } from "./started-proxy.ts"
