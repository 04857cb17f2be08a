/** The progress of a command's read, on a terminal. */
import type { OnProgress, ProxySettings } from "@cscs/proxy-server"
import { Effect } from "effect"
import { logging } from "./configuration.ts"

const width = 30

/** `[#########---------------------]  300 of 1000 resources`. */
export const progressBar = (done: number, total: number): string => {
  const filled = total === 0 ? width : Math.floor((width * done) / total)
  return `[${"#".repeat(filled)}${"-".repeat(width - filled)}] ${done} of ${total} resources`
}

/** Runs a read with the settings' log, and a progress bar on standard error if that is a terminal. */
export const withProgress = <A, E>(
  settings: ProxySettings,
  read: (settings: ProxySettings, onProgress?: OnProgress) => Effect.Effect<A, E>,
) => {
  const { stderr } = process
  const clear = () => stderr.isTTY && stderr.write("\r\u001b[K")
  const show: OnProgress = (done, total) => {
    clear()
    stderr.write(progressBar(done, total))
  }
  return read(settings, stderr.isTTY ? show : undefined).pipe(
    Effect.ensuring(Effect.sync(clear)),
    Effect.provide(logging(settings)),
  )
}
