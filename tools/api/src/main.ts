/**
 * `pnpm run check:api`: checks that the running proxy's responses conform to its own /openapi.json, and that none is a
 * 500. Schemathesis makes the requests, valid and invalid ones, against the real process over the sandbox, once with
 * authentication and once without. Exit code 1 and Schemathesis' report if a response violates the document, or if
 * Schemathesis is unavailable.
 */

import { reportedStep, sandboxEnvironment, startProxy } from "@cscs/harness"
import { startSandbox } from "@cscs/sandbox"
import { type Findings, pythonWithSchemathesis, runSchemathesis } from "./schemathesis.ts"

const python = await pythonWithSchemathesis().catch((error) => {
  console.error(`FAIL  Schemathesis is unavailable here, and nothing was checked: ${error.message}`)
  process.exit(1)
})

/** Schemathesis' own summary. A run without requests has not passed. */
const summary = ({ passed, report }: Findings): string => {
  const [, selected, all] = /Selected: (\d+)\/(\d+)/.exec(report) ?? []
  const [, tested] = /Tested: (\d+)/.exec(report) ?? []
  const [requests = ""] = /\b\d+ generated.*/.exec(report) ?? []
  if (!passed) throw new Error(`\n${report}`)
  const isWhole = tested !== undefined && tested === all && selected === all && Number.parseInt(requests, 10) > 100
  if (!isWhole) throw new Error(`it did not test everything\n${report}`)
  return `${tested} operations, requests: ${requests}`
}

for (const authentication of [true, false]) {
  await reportedStep(`${authentication ? "with" : "without"} authentication`, async () => {
    const sandbox = await startSandbox({ worldChangesByHand: false })
    try {
      const proxy = await startProxy({ environment: sandboxEnvironment(sandbox, authentication), isReady: true })
      try {
        return summary(await runSchemathesis(python, proxy.url, await sandbox.issuer.issueToken()))
      } finally {
        await proxy.stop()
      }
    } finally {
      await sandbox.close()
    }
  })
}
