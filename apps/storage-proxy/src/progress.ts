import type { OnProgress } from "@cscs/proxy-server"

const width = 30

/** `[#########---------------------]  300 of 1000 resources`. */
export const progressBar = (done: number, total: number): string => {
  const filled = total === 0 ? width : Math.floor((width * done) / total)
  return `[${"#".repeat(filled)}${"-".repeat(width - filled)}] ${done} of ${total} resources`
}

/** A progress bar on standard error if that is a terminal. `clear` removes it. */
export const readingProgress = (): { readonly onProgress?: OnProgress; readonly clear: () => void } => {
  const { stderr } = process
  if (!stderr.isTTY) return { clear: () => {} }
  const clear = () => stderr.write("\r\u001b[K")
  return {
    clear,
    onProgress: (done, total) => {
      clear()
      stderr.write(progressBar(done, total))
    },
  }
}
