import { Context } from "effect"

/** Whether the process is on its way out. The shell that gets the signals says so; readiness tells the balancer. */
export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    /** Whether the end has begun. */
    readonly isStopping: () => boolean
    /** Says that the end begins. */
    readonly stop: () => void
  }
>()("@cscs/proxy-server/Lifecycle") {}

export const makeLifecycle = (): Lifecycle["Service"] => {
  let stopping = false
  return {
    isStopping: () => stopping,
    stop: () => {
      stopping = true
    },
  }
}
