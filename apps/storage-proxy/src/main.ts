#!/usr/bin/env -S node --disable-sigusr1 --v8-pool-size=1 --min-semi-space-size=4 --max-semi-space-size=4 --initial-old-space-size=48 --heap-growing-percent=30
/**
 * The executable. V8 reads the sizes of its heap only when the process starts, so they are in the first line: a refresh
 * produces a burst of garbage, for which V8 would grow the heap to twice the size, and keep it. Smaller steps and a
 * smaller young generation, which has its size from the start, cost a refresh some hundredths of a second. With one thread
 * in the background instead of four, requests keep half of a single core while V8 marks its heap, not a fifth.
 */
import "./ignored-signals.ts"
import { keepCompiledCode } from "./compiled-code.ts"

keepCompiledCode()
// Not static: code is only kept of modules that are loaded from here on.
await import("./commands.ts")
