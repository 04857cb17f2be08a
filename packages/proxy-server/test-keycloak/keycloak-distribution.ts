/**
 * Installs a Keycloak on this machine: downloaded once from Maven Central, verified, unpacked and built into a cache
 * folder that every later start uses.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { homedir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { pipeline } from "node:stream/promises"

/** The Keycloak to download. For another version change these two lines. */
export const keycloakVersion = "26.7.3"
const sha256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"

const artifact = `org.keycloak:keycloak-quarkus-dist:${keycloakVersion}:zip`
const dependencyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
const oldestJava = 17

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
 * The folder of a built Keycloak. The first call on a machine takes about a minute; concurrent calls are safe.
 *
 * @throws Error with a readable message if Java or Maven is missing or the download is not the expected one
 */
export const installKeycloak = async (report: (line: string) => void = () => {}): Promise<string> => {
  await requireJava()
  const home = keycloakCache()
  if (await exists(join(home, "bin", "kc.sh"))) return home
  await mkdir(dirname(home), { recursive: true })
  const workshop = await mkdtemp(`${home}.`)
  try {
    report(`Fetching Keycloak ${keycloakVersion} from Maven Central (177 MB) ...`)
    await maven(workshop, "copy", [`-DoutputDirectory=${workshop}`])
    await checkDownload(join(workshop, `keycloak-quarkus-dist-${keycloakVersion}.zip`))
    report("Unpacking and building it ...")
    await maven(workshop, "unpack", [`-DoutputDirectory=${workshop}`, `-DmarkersDirectory=${workshop}/markers`, "-o"])
    const unpacked = join(workshop, `keycloak-${keycloakVersion}`)
    await run(join(unpacked, "bin", "kc.sh"), ["build", "--db=dev-mem"], workshop)
    // The name that the next start looks for is given only to a complete folder.
    await rename(unpacked, home).catch(async (error: unknown) => {
      if (!(await exists(join(home, "bin", "kc.sh")))) throw error
    })
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
  return home
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

const requireJava = async (): Promise<void> => {
  // kc.sh prefers JAVA_HOME too.
  const java = process.env.JAVA_HOME ? join(process.env.JAVA_HOME, "bin", "java") : "java"
  const reported = await run(java, ["-version"]).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error
    throw new Error(`Keycloak needs Java ${oldestJava} or newer, and there is no ${java}. Install a JDK or JRE.`)
  })
  const major = Number(/version "(?:1\.)?(\d+)/.exec(reported)?.[1])
  if (!(major >= oldestJava)) {
    throw new Error(`Keycloak needs Java ${oldestJava} or newer. \`${java} -version\` says: ${reported.trim()}`)
  }
}

const maven = async (directory: string, goal: string, options: ReadonlyArray<string>): Promise<void> => {
  await run(
    "mvn",
    ["--batch-mode", "--quiet", `${dependencyPlugin}:${goal}`, `-Dartifact=${artifact}`, ...options],
    directory,
  ).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error
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

/** What a command printed; fails with that output if the command fails. */
const run = (command: string, args: ReadonlyArray<string>, directory?: string): Promise<string> =>
  new Promise((settle, reject) => {
    const child = spawn(command, args, {
      ...(directory === undefined ? {} : { cwd: directory }),
      env: keycloakEnvironment({}),
      stdio: ["ignore", "pipe", "pipe"],
    })
    let reported = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        reported += text
      })
    }
    child.once("error", reject)
    child.once("close", (code) => {
      if (code === 0) settle(reported)
      else reject(new Error(`${command} ${args.join(" ")} ended with ${code}:\n${reported}`))
    })
  })
