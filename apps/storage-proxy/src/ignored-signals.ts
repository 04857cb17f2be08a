/**
 * Signals that must not end or open the process: imported first. SIGUSR1 starts Node's inspector unless somebody listens,
 * through which any local user of the same uid could run code and read secrets; `--disable-sigusr1` closes the moment before
 * this module runs. SIGUSR2, which other daemons take as "reopen the log", ends a process that does not listen.
 * (SIGPIPE is ignored by Node itself: a write then fails with EPIPE. SIGHUP is `serve`'s own; it ends other commands.)
 */
for (const signal of ["SIGUSR1", "SIGUSR2"] as const) process.on(signal, () => {})
