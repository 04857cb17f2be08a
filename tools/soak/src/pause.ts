/** Waits, but not longer than until `stop`. */
export const pause = (milliseconds: number, stop: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(done, stop.aborted ? 0 : milliseconds)
    function done() {
      clearTimeout(timer)
      stop.removeEventListener("abort", done)
      resolve()
    }
    stop.addEventListener("abort", done)
  })
