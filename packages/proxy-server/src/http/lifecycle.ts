/** Whether the process is stopping. */
import { Context } from "effect"

/** Set when the scope of the HTTP server closes, before the server does; readiness reports it to the load balancer. */
export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    /** Whether shutdown has begun. */
    readonly isStopping: () => boolean
    /** Marks the process as stopping. */
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
