/** Tracks every process that a tool starts, so that none outlives it. */
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"

const running = new Map<ChildProcess, "alone" | "group">()

/**
 * Tracks a child until it has ended.
 *
 * @param extent `group` for a child that was spawned `detached` because its own children must end with it
 */
export const watch = <Child extends ChildProcess>(child: Child, extent: "alone" | "group" = "alone"): Child => {
  running.set(child, extent)
  child.once("exit", () => running.delete(child))
  child.once("error", () => running.delete(child))
  return child
}

export const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

/** Asks a child to end, and kills it after `patienceMs`. Resolves when it is gone. */
export const end = async (child: ChildProcess, patienceMs = 3000): Promise<void> => {
  if (hasEnded(child) || child.pid === undefined) return
  const gone = once(child, "exit")
  child.kill("SIGTERM")
  const tooLong = setTimeout(() => child.kill("SIGKILL"), patienceMs)
  await gone
  clearTimeout(tooLong)
}

/** Kills everything that still runs, at once. Safe at any time, also while the process exits. */
export const endAllChildren = (): void => {
  for (const [child, extent] of running) {
    try {
      if (extent === "group" && child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
      else child.kill("SIGKILL")
    } catch {
      // It has just ended.
    }
  }
}
