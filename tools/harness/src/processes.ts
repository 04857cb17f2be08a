/** Tracks every process that a tool starts, so that none outlives it. */
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"

const running = new Set<ChildProcess>()
const leadsGroup = new WeakSet<ChildProcess>()

/**
 * Tracks a child until it ends.
 *
 * @param extent `group` for a child that was spawned `detached` because its own children must end with it
 */
export const watch = <Child extends ChildProcess>(child: Child, extent: "alone" | "group" = "alone"): Child => {
  running.add(child)
  if (extent === "group") leadsGroup.add(child)
  for (const event of ["exit", "error"]) child.once(event, () => running.delete(child))
  return child
}

export const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

/** Sends a signal to a child, or to the rest of its group; does nothing if all have ended. */
export const signal = (child: ChildProcess, name: NodeJS.Signals): void => {
  try {
    if (leadsGroup.has(child) && child.pid !== undefined) process.kill(-child.pid, name)
    else child.kill(name)
  } catch {
    // It has ended.
  }
}

/** Sends SIGTERM to a child, and kills it after `patienceMs`. Resolves when it has ended. */
export const end = async (child: ChildProcess, patienceMs = 3000): Promise<void> => {
  if (hasEnded(child) || child.pid === undefined) return
  const gone = once(child, "exit")
  signal(child, "SIGTERM")
  const timer = setTimeout(signal, patienceMs, child, "SIGKILL")
  await gone
  clearTimeout(timer)
}

/** Kills all running children at once. Safe at any time, even while the process exits. */
export const endAllChildren = (): void => {
  for (const child of running) signal(child, "SIGKILL")
}
