/**
 * Installs a Keycloak on this machine: downloaded once from Maven Central, verified, unpacked and built into a cache
 * folder that every later start uses.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { createReadStream, existsSync } from "node:fs"
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { homedir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { pipeline } from "node:stream/promises"
import { run } from "../run.ts"

/** The Keycloak to download. For another version change these two lines. */
export const keycloakVersion = "26.7.3"
const sha256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"

const artifact = `org.keycloak:keycloak-quarkus-dist:${keycloakVersion}:zip`
const dependencyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
const oldestJava = 17
/** Milliseconds for one step: a slow network, a busy machine. */
const installsWithin = 900_000

/** The cache folder: `KEYCLOAK_CACHE`, else below the home directory. */
export const keycloakCache = (): string =>
  resolve(process.env.KEYCLOAK_CACHE || join(homedir(), ".cache", "cscs-storage-proxy", `keycloak-${keycloakVersion}`))

/**
 * An environment without Keycloak's variables, which are options of it, and without Java's, which would be added to
 * ours: neither may come from the shell that runs the tests.
 */
export const keycloakEnvironment = (added: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(KC_|KEYCLOAK_|JAVA_OPTS)/.test(name))),
  ...added,
})

/**
 * The folder of a built Keycloak. The first call on a machine takes about a minute; concurrent calls wait for it.
 *
 * @throws Error with a readable message if Java or Maven is missing or the download is not the expected one
 */
export const installKeycloak = async (report: (line: string) => void = () => {}): Promise<string> => {
  await requireJava()
  const home = keycloakCache()
  if (isInstalled(home)) return home
  await mkdir(dirname(home), { recursive: true })
  return alone(`${home}.lock`, async () => {
    if (!isInstalled(home)) await install(home, report)
    return home
  })
}

const isInstalled = (home: string): boolean => existsSync(join(home, "bin", "kc.sh"))

const install = async (home: string, report: (line: string) => void): Promise<void> => {
  const workshop = await mkdtemp(`${home}.`)
  try {
    report(`Fetching Keycloak ${keycloakVersion} from Maven Central (177 MB) ...`)
    await maven(workshop, "copy", [`-DoutputDirectory=${workshop}`])
    await checkDownload(join(workshop, `keycloak-quarkus-dist-${keycloakVersion}.zip`))
    report("Unpacking and building it ...")
    await maven(workshop, "unpack", [`-DoutputDirectory=${workshop}`, `-DmarkersDirectory=${workshop}/markers`, "-o"])
    const unpacked = join(workshop, `keycloak-${keycloakVersion}`)
    await command(join(unpacked, "bin", "kc.sh"), ["build", "--db=dev-mem"], workshop)
    // The name that the next start looks for is given only to a complete folder.
    await rename(unpacked, home).catch((error: unknown) => {
      if (!isInstalled(home)) throw error
    })
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}

/**
 * Runs `act` while no other process holds the lock, because Maven's own cache is not made for two downloads of one file.
 * The lock is Linux's and ends with this process; without the program `flock` there is none.
 */
const alone = async <A>(lock: string, act: () => Promise<A>): Promise<A> => {
  const holder = spawn("flock", [lock, "sh", "-c", "echo; exec cat"], { stdio: ["pipe", "pipe", "ignore"] })
  await Promise.race([once(holder.stdout, "data"), new Promise((resolve) => holder.once("error", resolve))])
  return act().finally(() => holder.stdin.destroy())
}

const requireJava = async (): Promise<void> => {
  // kc.sh prefers JAVA_HOME too.
  const java = process.env.JAVA_HOME ? join(process.env.JAVA_HOME, "bin", "java") : "java"
  // Java 8 has no `--version`.
  const reported = await command(java, ["--version"]).catch(({ message }: Error) => message)
  const major = Number(/^(?:openjdk|java) (\d+)/.exec(reported)?.[1])
  if (!(major >= oldestJava)) {
    throw new Error(`Keycloak needs Java ${oldestJava} or newer: install a JDK or JRE. Found: ${reported.trim()}`)
  }
}

const maven = async (directory: string, goal: string, options: ReadonlyArray<string>): Promise<void> => {
  const args = ["--batch-mode", "--quiet", `${dependencyPlugin}:${goal}`, `-Dartifact=${artifact}`, ...options]
  await command("mvn", args, directory).catch((error: Error) => {
    if ((error.cause as NodeJS.ErrnoException).code !== "ENOENT") throw error
    throw new Error(
      `Keycloak is fetched with Maven, and there is no mvn on the PATH. Install Maven, or set KEYCLOAK_CACHE to the folder of a built Keycloak ${keycloakVersion}.`,
    )
  })
}

const checkDownload = async (path: string): Promise<void> => {
  const hash = createHash("sha256")
  await pipeline(createReadStream(path), hash)
  const found = hash.digest("hex")
  if (found !== sha256) throw new Error(`${artifact} has the SHA-256 ${found}, and should have ${sha256}. Not used.`)
}

/** What a command prints. */
const command = (program: string, args: ReadonlyArray<string>, directory?: string): Promise<string> =>
  run(program, args, {
    ...(directory === undefined ? {} : { cwd: directory }),
    env: keycloakEnvironment({}),
    timeout: installsWithin,
  })
