import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { run } from "@cscs/harness"

const here = fileURLToPath(new URL("..", import.meta.url))
const requirements = join(here, "requirements.txt")

/** Nothing of it is in the repository, and a second run downloads nothing. */
const cache = join(homedir(), ".cache", "cscs-storage-proxy", "api-checks")

/** The Python of an environment with requirements.txt, created if necessary. */
export const pythonWithSchemathesis = async (): Promise<string> => {
  const version = (await run("python3", ["-c", "import platform; print(platform.python_version())"])).trim()
  const pinned = createHash("sha256")
    .update(await readFile(requirements))
    .digest("hex")
    .slice(0, 8)
  const environment = join(cache, `python-${version}-${pinned}`)
  const python = join(environment, "bin", "python")
  // An environment cannot be moved once it is complete, so a marker file records completion.
  const whole = join(environment, "whole")
  if (existsSync(whole)) return python
  console.log("      fetching Schemathesis")
  await rm(environment, { recursive: true, force: true })
  await mkdir(cache, { recursive: true })
  await run("python3", ["-m", "venv", environment])
  // No package may run its own build.
  const flags = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
  await run(python, ["-m", "pip", "install", ...flags, "--requirement", requirements])
  await writeFile(whole, "")
  return python
}

export interface Findings {
  readonly passed: boolean
  readonly report: string
}

/** Checks a proxy against its own document, as configured in schemathesis.toml. */
export const runSchemathesis = async (python: string, url: string, token: string): Promise<Findings> => {
  // Schemathesis and Hypothesis write their caches to the working directory.
  const scratch = await mkdtemp(join(tmpdir(), "storage-proxy-api-"))
  try {
    const options = ["--config-file", join(here, "schemathesis.toml"), "run", `${url}/openapi.json`, "--no-color"]
    const child = spawn(python, ["-m", "schemathesis.cli", ...options], {
      cwd: scratch,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        PYTHONDONTWRITEBYTECODE: "1",
        // Its report contains symbols that not every locale can print.
        PYTHONUTF8: "1",
        API_CHECKS_URL: url,
        API_CHECKS_TOKEN: token,
        API_CHECKS_HOOKS: join(here, "hooks.py"),
      },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 300_000,
    })
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")])
    return { passed: code === 0, report: `${stdout}${stderr}` }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
