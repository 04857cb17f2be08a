import { setTimeout as elapsed } from "node:timers/promises"

/** Waits, at most until `stop`. */
export const pause = (milliseconds: number, stop?: AbortSignal): Promise<void> =>
  elapsed(milliseconds, undefined, { signal: stop }).catch(() => {})
