/**
 * Installs a Keycloak on this machine: downloaded once from Maven Central, verified, unpacked and built into a cache
 * folder that every later start uses.
 */
import { hash } from "node:crypto"
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { cachedFolder } from "../cached-folder.ts"
import { run } from "../run.ts"

/** The Keycloak to download. For another version change these two lines. */
const keycloakVersion = "26.7.3"
const sha256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"

const artifact = `org.keycloak:keycloak-quarkus-dist:${keycloakVersion}:zip`
const dependencyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
/** Milliseconds for one step: a slow network, a busy machine. */
const installsWithin = 900_000

/**
 * An environment without Keycloak's variables, which are options of it, and without Java's, which would be added to
 * ours: neither may come from the shell that runs the tests.
 */
export const keycloakEnvironment = (added: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(KC_|KEYCLOAK_|JAVA_OPTS)/.test(name))),
  ...added,
})

/**
 * The folder of a built Keycloak. The first call on a machine takes about a minute.
 *
 * @throws Error with the command's own message if Java 17 or Maven is missing, or if the download is not the expected one
 */
export const installKeycloak = async (): Promise<string> => {
  const name = `keycloak-${keycloakVersion}`
  return cachedFolder(name, async (home) => {
    const workshop = join(home, "workshop")
    await mkdir(workshop)
    await maven(workshop, "copy")
    const found = hash("sha256", await readFile(join(workshop, `keycloak-quarkus-dist-${keycloakVersion}.zip`)))
    if (found !== sha256) throw new Error(`${artifact} has the SHA-256 ${found}, and should have ${sha256}. Not used.`)
    await maven(workshop, "unpack", `-DmarkersDirectory=${workshop}/markers`, "--offline")
    for (const part of await readdir(join(workshop, name))) await rename(join(workshop, name, part), join(home, part))
    await rm(workshop, { recursive: true })
    await command(join(home, "bin", "kc.sh"), ["build", "--db=dev-mem"], home)
  })
}

const maven = (directory: string, goal: string, ...options: ReadonlyArray<string>): Promise<string> => {
  const common = ["--batch-mode", "--quiet", `${dependencyPlugin}:${goal}`, `-Dartifact=${artifact}`]
  return command("mvn", [...common, `-DoutputDirectory=${directory}`, ...options], directory)
}

const command = (program: string, args: ReadonlyArray<string>, cwd: string): Promise<string> =>
  run(program, args, { cwd, env: keycloakEnvironment({}), timeout: installsWithin })
