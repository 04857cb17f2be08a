#!/usr/bin/env node
/**
 * Runs the sandbox as a process: prints one line of JSON with addresses and credentials once all three servers listen, and
 * runs until SIGTERM or SIGINT.
 */
import { parseArgs } from "node:util"
import type { Upstream } from "./call-log.ts"
import { type Sandbox, startSandbox } from "./start-sandbox.ts"

const USAGE = `Usage: node apps/sandbox/src/main.ts [options]
  --resources N          generates ordinary resources until there are N, with the hand-written ones
  --seed S               seed of the generated resources (default 1)
  --waldur-port P        port on 127.0.0.1 (default: any free port)
  --hpc-user-api-port P  the same
  --issuer-port P        the same
  --dialect 8.x|7.0.7    Waldur version to imitate (default 8.x)
  --latency-ms N         delay of every response of every server
  --worker-delay-ms N    delay between an order's approval and its resource's change
  --pace real            make reads of resources as slow per row as a real Waldur
  --help                 print this
`

try {
  await run()
} catch (error) {
  process.stderr.write(`sandbox: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      resources: { type: "string" },
      seed: { type: "string" },
      "waldur-port": { type: "string" },
      "hpc-user-api-port": { type: "string" },
      "issuer-port": { type: "string" },
      dialect: { type: "string" },
      "latency-ms": { type: "string" },
      "worker-delay-ms": { type: "string" },
      pace: { type: "string" },
      help: { type: "boolean" },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const integer = (name: keyof typeof values, fallback: number): number => {
    const text = values[name]
    if (text === undefined) return fallback
    if (!/^\d+$/.test(String(text))) throw new Error(`--${name} is "${text}", expected a whole number`)
    return Number(text)
  }
  const { dialect = "8.x", pace } = values
  if (dialect !== "8.x" && dialect !== "7.0.7") throw new Error(`--dialect is "${dialect}", expected 8.x or 7.0.7`)
  if (pace !== undefined && pace !== "real") throw new Error(`--pace is "${pace}", expected real`)
  const latencyMs = integer("latency-ms", 0)
  const workerDelayMs = integer("worker-delay-ms", 0)

  const sandbox = await startSandbox({
    seed: integer("seed", 1),
    resources: integer("resources", 60),
    ports: {
      waldur: integer("waldur-port", 0),
      hpcUserApi: integer("hpc-user-api-port", 0),
      issuer: integer("issuer-port", 0),
    },
    dialect,
    logCalls: false,
    worldChangesByHand: false,
  })
  sandbox.waldur.worker.delay = workerDelayMs
  if (latencyMs > 0)
    for (const upstream of ["waldur", "hpcUserApi", "issuer"] satisfies Upstream[])
      sandbox.faults.set(upstream, { latencyMs })
  if (pace === "real") sandbox.faults.set("waldur", { pace })

  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void sandbox.close())
  process.stdout.write(`${JSON.stringify(description(sandbox))}\n`)
}

/** The addresses and credentials that the process prints. */
function description({ waldur, hpcUserApi, issuer, world }: Sandbox): object {
  const { url, token, actingToken, tokens, dialect } = waldur
  return {
    resources: world.resources.length,
    waldur: { url, token, actingToken, tokens, dialect },
    hpcUserApi: {
      url: hpcUserApi.url,
      clientId: hpcUserApi.clientId,
      clientSecret: hpcUserApi.clientSecret,
      tokenUrl: hpcUserApi.tokenUrl,
      scope: hpcUserApi.scope,
    },
    issuer: {
      url: issuer.url,
      baseUrl: issuer.baseUrl,
      realm: issuer.realm,
      tokenUrl: issuer.tokenUrl,
      introspectionUrl: issuer.introspectionUrl,
      jwksUrl: issuer.jwksUrl,
      audience: issuer.audience,
      integrator: issuer.integrator,
    },
  }
}
