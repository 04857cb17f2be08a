/**
 * Waldur's background worker. An approval only sets the order to executing; the worker sets its resource to Updating
 * or Terminating later, whatever happened to the order in between. If the order is done or erred by then, the resource
 * stays in that state permanently, without an order. Orders of `Marketplace.Basic` are completed instead.
 */
export interface WaldurWorker {
  /**
   * Milliseconds from an approval to the change of its resource; `"held"`: not before `work()`. Default 0: within the
   * approval. Applies to later approvals.
   */
  delay: number | "held"
  /** Runs all pending jobs, oldest first; returns their number. */
  work(): number
  /** Queues a job. */
  later(job: () => void): void
}

export function waldurWorker(): WaldurWorker {
  const waiting = new Set<() => void>()
  const perform = (job: () => void): void => {
    if (waiting.delete(job)) job()
  }
  return {
    delay: 0,
    work() {
      const jobs = [...waiting]
      for (const job of jobs) perform(job)
      return jobs.length
    },
    later(job) {
      waiting.add(job)
      if (this.delay === 0) perform(job)
      // The timer does not keep the process alive.
      else if (this.delay !== "held") setTimeout(() => perform(job), this.delay).unref()
    },
  }
}
