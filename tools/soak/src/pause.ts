import { setTimeout as elapsed } from "node:timers/promises"

/** Waits, but not longer than until `stop`. */
export const pause = (milliseconds: number, stop?: AbortSignal): Promise<void> =>
  elapsed(milliseconds, undefined, { signal: stop }).catch(() => {})
