/**
 * Signals that must not end or open the process. This module is imported first. SIGUSR1 without a listener starts
 * Node's inspector, through which any local user with the same uid could run code and read secrets; `--disable-sigusr1`
 * covers the time before this module runs. SIGUSR2, which other daemons take as "reopen the log", ends a process
 * without a listener. (Node itself ignores SIGPIPE: a write then fails with EPIPE. SIGHUP is handled by `serve`; it
 * ends other commands.)
 */
for (const signal of ["SIGUSR1", "SIGUSR2"] as const) process.on(signal, () => {})
