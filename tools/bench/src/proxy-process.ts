/** The proxy as in production, observed through its log. */
import { mkdtemp } from "node:fs/promises"
import { join } from "node:path"
import { imageEnvironment, parseLogLine, type RunningProxy, startProxy } from "@cscs/harness"

/** A refresh in the log. */
export interface SnapshotTaken {
  readonly milliseconds: number
  readonly entries: number
}

export interface BenchedProxy extends RunningProxy {
  /** Every snapshot in the log so far. */
  readonly snapshots: ReadonlyArray<SnapshotTaken>
  /** Its own folder, for Node's reports about it. */
  readonly folder: string
}

export interface ProxyStart {
  readonly main: string
  /** The parent of the process's folder. */
  readonly folder: string
  /** The proxy's settings for the sandbox. */
  readonly environment: Readonly<Record<string, string>>
  /** Further settings as environment variables. */
  readonly settings?: Readonly<Record<string, string>>
  readonly nodeFlags?: ReadonlyArray<string>
}

/** Starts the proxy; resolves once it listens, which is before it has a list. */
export const startBenchedProxy = async (start: ProxyStart): Promise<BenchedProxy> => {
  const folder = await mkdtemp(join(start.folder, "proxy-"))
  const snapshots: Array<SnapshotTaken> = []
  const environment = { ...(await imageEnvironment()), ...start.environment, ...start.settings }
  const running = await startProxy({
    command: [process.execPath, ...(start.nodeFlags ?? []), start.main],
    directory: folder,
    environment,
    logKept: 20_000,
    onLine: (text) => {
      // Under load most lines are request lines, which are not parsed.
      const { annotations } = (text.includes('"snapshot-taken"') && parseLogLine(text)) || {}
      if (annotations === undefined) return
      snapshots.push({ milliseconds: Number(annotations.milliseconds), entries: Number(annotations.entries) })
    },
  })
  return { ...running, snapshots, folder }
}
