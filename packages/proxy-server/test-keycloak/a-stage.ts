import { type Keycloak, startKeycloak } from "@cscs/harness"
import { type Sandbox, startSandbox } from "@cscs/sandbox"
import { afterAll, beforeAll } from "vitest"
import { aWorld } from "../test/a-world.ts"

/** Shared by the tests of one file. */
export interface Stage {
  readonly keycloak: Keycloak
  readonly sandbox: Sandbox
}

/** A Keycloak and a sandbox that run from the first test of a file to its last. */
export const aStage = (): Stage => {
  const stage: { -readonly [name in keyof Stage]?: Stage[name] } = {}
  beforeAll(async () => {
    stage.sandbox = await startSandbox({ world: aWorld(10) })
    stage.keycloak = await startKeycloak()
  })
  afterAll(async () => {
    await stage.keycloak?.stop()
    await stage.sandbox?.close()
  })
  return stage as Stage
}
