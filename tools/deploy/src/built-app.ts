import { execFile } from "node:child_process"
import { cp, mkdir, rm } from "node:fs/promises"
import { promisify } from "node:util"
import { stagesOf } from "@cscs/harness"
import { contextFiles } from "./docker-context.ts"

const run = promisify(execFile)

/**
 * Runs the commands of the Dockerfile's build stage in a copy of the files that .dockerignore lets through. The copy is
 * then removed, so that any reference back to it breaks.
 *
 * @param scratch an empty directory
 * @returns the folder that the image would contain as /app
 */
export const buildApp = async (workspace: string, scratch: string): Promise<string> => {
  const copy = `${scratch}/build`
  const app = `${scratch}/app`
  await mkdir(copy)
  const files = await contextFiles(workspace)
  const [stage = []] = await stagesOf(`${workspace}/deploy/Dockerfile`)
  // A build in the image lacks this workspace's commands and settings, which come from PATH and other variables.
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|pnpm_|PNPM_|TURBO_|NODE_)/.test(name)),
  )
  const path = (process.env.PATH ?? "").split(":").filter((entry) => !entry.includes("node_modules"))
  for (const { name, text } of stage) {
    if (name === "COPY") {
      const sources = text.split(/\s+/).slice(0, -1)
      for (const file of files.filter((file) => sources.includes(file) || sources.includes("."))) {
        await cp(`${workspace}/${file}`, `${copy}/${file}`)
      }
    }
    if (name === "RUN") {
      await run("/bin/sh", ["-c", text.replaceAll("/app", app)], {
        cwd: copy,
        env: { ...environment, PATH: path.join(":"), CI: "true" },
        maxBuffer: 64 * 1024 * 1024,
      }).catch((error) => {
        throw new Error(`RUN ${text}\n${`${error.stdout}${error.stderr}`.slice(-4000)}`)
      })
    }
  }
  await rm(copy, { recursive: true })
  return app
}
