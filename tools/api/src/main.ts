/**
 * `pnpm run check:api`: the running proxy answers what its own /openapi.json says, and never with a 500. Schemathesis makes
 * the requests, good and bad ones, against the real process over the sandbox; once with authentication, once without.
 * Ends with exit code 1 and Schemathesis' report if an answer is outside the document, or if Schemathesis cannot be had.
 */

import { sandboxEnvironment, startProxy } from "@cscs/harness"
import { startSandbox } from "@cscs/sandbox"
import { type Findings, pythonWithSchemathesis, runSchemathesis } from "./schemathesis.ts"

const python = await pythonWithSchemathesis().catch((error) => {
  const why = error.code === "ENOENT" ? "there is no python3 on the PATH" : (error.stderr ?? error.message)
  console.error(`FAIL  Schemathesis cannot be had here, and nothing was checked: ${why}`)
  process.exit(1)
})

/** What was done, in Schemathesis' own words, or what is wrong with it. A run that asked nothing has not passed. */
const judged = ({ passed, report }: Findings): { readonly ok: boolean; readonly words: string } => {
  const [, selected, all] = /Selected: (\d+)\/(\d+)/.exec(report) ?? []
  const [, tested] = /Tested: (\d+)/.exec(report) ?? []
  const [requests = ""] = /\b\d+ generated.*/.exec(report) ?? []
  if (!passed) return { ok: false, words: `\n${report}` }
  return tested !== undefined && tested === all && selected === all && Number.parseInt(requests, 10) > 100
    ? { ok: true, words: `${tested} operations, requests: ${requests}` }
    : { ok: false, words: `it did not test everything\n${report}` }
}

const check = async (name: string, authentication: boolean): Promise<void> => {
  const began = Date.now()
  const sandbox = await startSandbox({ worldChangesByHand: false })
  try {
    const proxy = await startProxy({ environment: sandboxEnvironment(sandbox, authentication), isReady: true })
    try {
      const { ok, words } = judged(await runSchemathesis(python, proxy.url, await sandbox.issuer.issueToken()))
      console.log(`${ok ? "ok  " : "FAIL"}  ${name} (${((Date.now() - began) / 1000).toFixed(1)} s): ${words}`)
      if (!ok) process.exitCode = 1
    } finally {
      await proxy.stop()
    }
  } finally {
    await sandbox.close()
  }
}

await check("with authentication", true)
await check("without authentication", false)
