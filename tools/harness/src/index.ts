/**
 * The processes that tools and tests start: the proxy, from its sources or as built for the image, and its companions.
 */
export { buildProxy, builtIn } from "./built-proxy.ts"
export { cachedFolder } from "./cached-folder.ts"
export { cleanEnvironment, withPath } from "./clean-environment.ts"
export { imageEnvironment, stagesOf, wordsOf } from "./dockerfile.ts"
export { freePort } from "./free-port.ts"
export { parseLogLine } from "./log-line.ts"
export { cpuSecondsOf, endedChildrenCpuSeconds, memoryOf } from "./proc-stats.ts"
export { end, endAllChildren, hasEnded, watch } from "./processes.ts"
export { reportedStep } from "./reported-step.ts"
export { type Environment, run } from "./run.ts"
export { sandboxEnvironment } from "./sandbox-environment.ts"
export { scratchFolder } from "./scratch-folder.ts"
export * from "./start-proxy.ts"
export { until } from "./until.ts"
export { workingTree } from "./working-tree.ts"
