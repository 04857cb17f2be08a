/**
 * Installs a Keycloak on this machine: downloaded once from Maven Central, verified, unpacked and built into a cache
 * folder that every later start uses.
 */
import { hash } from "node:crypto"
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { cachedFolder } from "../cached-folder.ts"
import { run } from "../run.ts"

/** The Keycloak to download. Change both lines for another version. */
const keycloakVersion = "26.7.3"
const sha256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"

const artifact = `org.keycloak:keycloak-quarkus-dist:${keycloakVersion}:zip`
const dependencyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
/** Milliseconds for one step, on a slow network and a busy machine. */
const stepTimeout = 900_000

/**
 * An environment without the shell's variables for Keycloak and Java, which would change Keycloak's options or add to
 * ours.
 */
export const keycloakEnvironment = (added: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(KC_|KEYCLOAK_|JAVA_OPTS)/.test(name))),
  ...added,
})

/**
 * Returns the folder of a built Keycloak. The first call on a machine takes about a minute.
 *
 * @throws with the command's own message if Java 17 or Maven is missing, or if the download has another checksum
 */
export const installKeycloak = async (): Promise<string> => {
  const name = `keycloak-${keycloakVersion}`
  return cachedFolder(name, async (home) => {
    const staging = join(home, "staging")
    await mkdir(staging)
    await maven(staging, "copy")
    const found = hash("sha256", await readFile(join(staging, `keycloak-quarkus-dist-${keycloakVersion}.zip`)))
    if (found !== sha256) throw new Error(`${artifact} has the SHA-256 ${found}, but ${sha256} was expected`)
    // From Maven's own repository, into which `copy` has just downloaded the same file.
    await maven(staging, "unpack", `-DmarkersDirectory=${staging}/markers`, "--offline")
    for (const part of await readdir(join(staging, name))) await rename(join(staging, name, part), join(home, part))
    await rm(staging, { recursive: true })
    await command(join(home, "bin", "kc.sh"), ["build", "--db=dev-mem"], home)
  })
}

const maven = (directory: string, goal: string, ...options: ReadonlyArray<string>): Promise<string> => {
  const common = ["--batch-mode", "--quiet", `${dependencyPlugin}:${goal}`, `-Dartifact=${artifact}`]
  return command("mvn", [...common, `-DoutputDirectory=${directory}`, ...options], directory)
}

const command = (program: string, args: ReadonlyArray<string>, cwd: string): Promise<string> =>
  run(program, args, { cwd, env: keycloakEnvironment({}), timeout: stepTimeout })
