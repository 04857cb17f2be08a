#!/usr/bin/env node
/**
 * The sandbox as a process: prints one line of JSON with addresses and credentials once all three servers listen, and
 * runs until SIGTERM or SIGINT.
 */
import { parseArgs } from "node:util"
import type { Upstream } from "./call-log.ts"
import { startSandbox } from "./start-sandbox.ts"

const USAGE = `Usage: node apps/sandbox/src/main.ts [options]
  --resources N          how many resources there are at least (default 60)
  --seed S               of the made-up resources (default 1)
  --waldur-port P        on 127.0.0.1 (default: a free one)
  --hpc-user-api-port P
  --issuer-port P
  --dialect 8.x|7.0.7    which Waldur is imitated (default 8.x)
  --latency-ms N         every answer of every server comes so much later
  --worker-delay-ms N    Waldur moves a resource so much later than its order is approved
  --pace real            Waldur's resource list takes as long per row as a real one
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
    if (!/^\d+$/.test(String(text))) throw new Error(`--${name} is "${text}", wanted is a whole number`)
    return Number(text)
  }
  const { dialect = "8.x", pace } = values
  if (dialect !== "8.x" && dialect !== "7.0.7") throw new Error(`--dialect is "${dialect}", wanted is 8.x or 7.0.7`)
  if (pace !== undefined && pace !== "real") throw new Error(`--pace is "${pace}", wanted is real`)
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
  for (const upstream of ["waldur", "hpcUserApi", "issuer"] satisfies Upstream[]) {
    if (latencyMs > 0) sandbox.faults.set(upstream, { latencyMs })
  }
  if (pace === "real") sandbox.faults.set("waldur", { pace })

  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void sandbox.close())
  process.stdout.write(`${JSON.stringify(description())}\n`)

  function description(): object {
    const { waldur, hpcUserApi, issuer, world } = sandbox
    return {
      resources: world.resources.length,
      waldur: { url: waldur.url, token: waldur.token, actingToken: waldur.actingToken, tokens: waldur.tokens, dialect },
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
}
